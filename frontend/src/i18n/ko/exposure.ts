import type { Shape } from "@/i18n";
import type { exposure as en } from "../en/exposure";

export const exposure: Shape<typeof en> = {
  title: "클라이언트에 보이는 목록",
  text: "목록에 무엇이 보이든, 쓸 수 있는 도구는 모두 이름으로 호출할 수 있습니다.",
  names: { auto: "자동", tools: "도구 모두", servers: "서버마다 하나", search: "검색" },
  hints: {
    auto: "도구가 40개 이하이면 모두, 그보다 많으면 서버 5개까지는 서버마다 하나를, 그 이상이면 검색 도구를 보여 줍니다.",
    tools: "도구를 각자의 이름으로 보여 줍니다. 40개쯤부터 일부를 버리는 클라이언트가 많습니다.",
    servers: "AI가 서버에 무엇을 할 수 있는지 묻고 호출합니다. 도구가 아무리 많아도 목록이 짧습니다.",
    search: "도구 네 개만 보여 줍니다. AI가 쓸 수 있는 도구 중에서 필요한 것을 찾아 호출합니다.",
  },
  lists: (count) => `목록 ${count}개`,
  listsNow: (count) => `지금 클라이언트에 도구 ${count}개가 보입니다.`,
  more: "아직 도구 목록을 받지 않은 서버가 있습니다.",
  changed: (name) => `이제 클라이언트 목록을 <b>${name}</b> 방식으로 보여 줍니다`,
  why: "`hub_why` 보여 주기",
  whyText: "어떤 도구가 왜 안 보이는지 AI가 물어볼 수 있는 도구입니다.",
  whyOn: "`hub_why` 도구를 목록에 넣었습니다",
  whyOff: "`hub_why` 도구를 목록에서 뺐습니다",
};
