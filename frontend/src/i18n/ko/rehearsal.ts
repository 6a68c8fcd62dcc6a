import type { Shape } from "@/i18n";
import type { rehearsal as en } from "../en/rehearsal";

export const rehearsal: Shape<typeof en> = {
  title: "실제 호출로 미리 확인",
  text: "그때 이미 저장되어 있었다면 지난 호출 가운데 무엇이 거부되었을지 알려 줍니다.",
  days: "확인할 기간",
  span: (days) => `최근 ${days}일`,
  run: "확인하기",
  again: "다시 확인하기",
  none: (calls) => `호출 ${calls}건 가운데 거부되었을 것은 없습니다.`,
  noCalls: "이 기간에는 호출이 없습니다.",
  some: (refused, calls, users) =>
    `호출 ${calls}건 가운데 사용자 ${users}명의 <b>${refused}건</b>이 거부되었을 것입니다.`,
  already: (calls) => `이 변경과 상관없이 지금도 거부되는 호출이 ${calls}건 더 있습니다.`,
  more: (count) => `그 밖에 ${count}줄`,
  times: (calls) => `${calls}건`,
  columns: { what: "호출", why: "이유" },
  reasons: {
    renamed: "도구 이름이 달라집니다",
    no_address: "주소가 닫힙니다",
  },
};
