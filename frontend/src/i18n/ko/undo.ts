import type { Shape } from "@/i18n";
import type { undo as en } from "../en/undo";

export const undo: Shape<typeof en> = {
  open: "되돌리기…",
  title: (position) => `이벤트 #${position} 되돌리기`,
  text: "이 이벤트가 바꾼 것을 새 이벤트로 되돌립니다. 이미 기록된 내용은 바뀌지 않습니다.",
  action: "되돌리기",
  done: (position) => `이벤트 #${position} 내용을 되돌렸습니다`,
  records: "새로 기록되는 것",
  impossible: "되돌릴 수 없는 이벤트입니다",
  toEvent: (position) => `이벤트 #${position}`,
  toVersions: "설정 버전",
  affects: "영향을 받는 사람",
  nobody: "서버나 도구를 얻거나 잃는 사람이 없습니다.",
  users: (count) => `사용자 ${count}명`,
  openSessions: (count) => `열린 세션 ${count}개`,
  more: (count) => `그 밖에 사용자 ${count}명`,
  user: "사용자",
  gains: "얻는 것",
  loses: "잃는 것",
  tools: (count) => `도구 ${count}개`,
  nothing: "없음",
};
