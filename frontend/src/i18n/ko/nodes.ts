import type { Shape } from "@/i18n";
import type { nodes as en } from "../en/nodes";

export const nodes: Shape<typeof en> = {
  title: "노드",
  columns: {
    name: "노드",
    version: "버전",
    sessions: "세션",
    streams: "스트림",
    inFlight: "처리 중",
    runtimes: "열린 서버",
    cores: "CPU",
    since: "시작",
  },
  cores: (percent) => `${percent}%`,
  states: { leaving: "종료하는 중", gone: "응답 없음" },
};
