import type { Shape } from "@/i18n";
import { josa } from "@/i18n/josa";
import type { signIn as en } from "../en/sign-in";

export const signIn: Shape<typeof en> = {
  title: "로그인",
  subtitle: "회사 MCP 서버로 가는 하나의 관문",
  continueWith: (provider) => `${josa(provider, "으로/로")} 계속하기`,
  or: "또는",
  username: "사용자 이름",
  password: "비밀번호",
  submit: "로그인",
  setupNeeded:
    "아직 관리자가 없습니다. 설정 링크는 허브를 시작한 터미널에 있습니다. `mcphub setup-link` 명령으로 새로 만들 수 있습니다.",
  version: (version) => `v${version}`,
  healthy: "상태 정상",
  draining: "종료하는 중",
  newPassword: "비밀번호",
  newPasswordHint: "12자 이상, 사용자 이름과 다르게",
  again: "비밀번호 다시 입력",
  differ: "두 비밀번호가 다릅니다.",
  setupTitle: "첫 관리자 만들기",
  setupText: "서버와 사용자, 권한까지 모두 다룰 수 있는 계정입니다.",
  setupSubmit: "계정 만들기",
  inviteTitle: "비밀번호 정하기",
  inviteText: "이 허브에 초대받았습니다. 앞으로 이 비밀번호로 로그인합니다.",
  inviteSubmit: "저장하고 로그인",
  linkMissing: "링크가 완전하지 않습니다",
  setupLinkMissing: "터미널에 나온 설정 링크 전체를 여세요. # 뒤에 긴 코드가 있습니다.",
  inviteLinkMissing: "초대 링크 전체를 여세요. # 뒤에 긴 코드가 있습니다.",
  toSignIn: "로그인 페이지로",
  pendingTitle: "관리자의 활성화를 기다리는 중입니다",
  pendingText: "계정은 만들어졌습니다. 관리자가 활성화하면 바로 쓸 수 있습니다.",
  inactiveTitle: "비활성화된 계정입니다",
  inactiveText: "관리자가 이 계정을 비활성화했습니다. 관리자만 다시 활성화할 수 있습니다.",
  errorTitle: "로그인하지 못했습니다",
  signInAgain: "다시 로그인",
};
