import type { Shape } from "@/i18n";
import type { overview as en } from "../en/overview";

export const overview: Shape<typeof en> = {
  title: "개요",
  subtitle: "허브를 한눈에 봅니다. 숫자를 누르면 그 내용이 열립니다.",
  span: "기간",
  spans: { "1h": "1시간", "24h": "24시간", "7d": "7일" },
  sessions: "실시간 세션",
  inFlight: "처리 중",
  calls: "요청",
  errorRate: "오류",
  errors: (count) => `${count}건 실패`,
  toolErrors: (count) => `도구 오류 ${count}건`,
  p95: "p95 응답 시간",
  servers: "서버",
  failing: (count) => `${count}개 오류`,
  usersWaiting: "승인을 기다리는 사용자",
  toolsWaiting: "승인할 도구",
  callsOverTime: "시간별 요청 수",
  ended: { ok: "응답", cancelled: "취소", denied: "거부", toolErrors: "도구 오류", errors: "실패" },
  noCalls: "이 기간에 요청이 없습니다",
  noCallsText: "클라이언트가 호출하면 요청이 바로 여기에 나타납니다.",
  privileged: "최근 권한 변경",
  allPrivileged: "타임라인에서 모두 보기",
  noPrivileged: "아직 권한을 바꾼 일이 없습니다",
};
