import type { Shape } from "@/i18n";
import type { toolChanges as en } from "../en/tool-changes";

export const toolChanges: Shape<typeof en> = {
  title: "도구 변경",
  subtitle: "서버가 쓴 도구 설명은 모델에 그대로 전해집니다. 새로 생기거나 바뀐 정의를 기록합니다.",
  which: "변경 범위",
  waiting: "승인 대기",
  all: "전체",
  withoutFilter: (server) => `${server} 필터 지우기`,
  flood: (server, count) =>
    `<b>${server}</b> 서버가 한 시간에 기록할 수 있는 것보다 많은 정의를 보냈습니다. ${count}개를 기록하지 못해 쓸 수 없습니다. 시작:`,
  empty: "승인을 기다리는 변경이 없습니다",
  emptyText:
    "서버 설정에 `onToolChange: quarantine`이 있으면 변경이 승인을 기다립니다. 그 밖의 변경은 바로 쓰이며 전체에서 볼 수 있습니다.",
  columns: { tool: "도구", server: "서버", kind: "변경", fields: "항목", since: "시작", state: "상태" },
  kinds: { new: "새 도구", changed: "바뀜", withdrawn: "없어짐" },
  waits: "승인 대기",
  accepted: "사용 중",
  fields: "변경",
  definitions: "정의",
  before: "이전",
  after: "지금",
  noneBefore: "새로 생긴 도구입니다.",
  notKept: "해시만 남아 있습니다. 정의가 너무 크거나 사용자의 값이 들어 있습니다.",
  unknown: "정의의 해시만 남아 있어 무엇이 다른지 알 수 없습니다. 서버를 직접 확인하세요.",
  newerWaits: "이 도구의 더 새로운 정의도 승인을 기다립니다. 여기서는 이전 정의만 승인합니다.",
  approve: "승인",
  approved: (tool) => `<b>${tool}</b> 도구를 승인했습니다`,
  waitsText: "승인 전에는 이 정의의 도구를 누구도 보거나 호출할 수 없습니다.",
  acceptedText: "결정할 것이 없습니다.",
  adminsApprove: "승인은 관리자만 할 수 있습니다.",
};
