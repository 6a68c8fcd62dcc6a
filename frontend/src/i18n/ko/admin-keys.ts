import type { Shape } from "@/i18n";
import type { adminKeys as en } from "../en/admin-keys";

export const adminKeys: Shape<typeof en> = {
  title: "모든 키",
  subtitle: "이 허브를 여는 모든 키의 소유자, 마지막 사용, 만료를 봅니다.",
  find: "소유자 찾기",
  viewLabel: "보기",
  views: {
    working: "사용 중",
    soon: "곧 만료",
    unused: "30일 동안 쓰지 않음",
    all: "전체",
  },
  columns: {
    owner: "소유자",
    name: "이름",
    key: "키",
    state: "상태",
    scope: "범위",
    created: "만든 때",
    expires: "만료",
    used: "마지막 사용",
    calls: "호출",
  },
  states: { active: "사용 중", rotating: "교체 중", expired: "만료됨", revoked: "폐기됨" },
  expiresSoon: "곧 만료",
  narrowed: "좁힘",
  whole: "소유자와 같음",
  headerOnly: "헤더 전용",
  daysLeft: (days) => `${days}일 남음`,
  count: (count) => `키 ${count}개`,
  revoke: "폐기",
  revokeOne: (name) => `${name} 키 폐기`,
  revokeTitle: (name) => `${name} 키 폐기`,
  revokeText: (owner) =>
    `이 키를 쓰는 ${owner} 사용자의 클라이언트가 바로 끊깁니다. 되돌릴 수 없으며, 소유자가 새 키를 만들 수 있습니다.`,
  revoked: (name) => `<b>${name}</b> 키를 폐기했습니다`,
  noMatch: "조건에 맞는 키가 없습니다",
  empty: "아직 키를 가진 사용자가 없습니다",
  showAll: "사용 중인 키 보기",
};
