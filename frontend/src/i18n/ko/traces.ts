import type { Shape } from "@/i18n";
import type { traces as en } from "../en/traces";

export const traces: Shape<typeof en> = {
  title: "추적",
  summary: (time, events) => `총 ${time} · 이벤트 ${events}개 · 들어온 때`,
  copy: "JSON 줄로 복사",
  inTimeline: "타임라인에서 보기",
  causedBy: "일부는 앞선 이벤트 때문에 일어났습니다:",
  notFound: "그런 추적이 없습니다",
  notFoundText: "이 ID의 이벤트나 요청이 없거나 볼 수 없는 것입니다.",
  columns: { what: "내용", after: "경과", when: "시점" },
  kinds: {
    request: "요청",
    call: "클라이언트 요청",
    wait: "서버가 빌 때까지 대기",
    upstream: "서버 응답",
    command: "명령",
    fact: "이벤트",
    access: "접근 기록",
  },
};
