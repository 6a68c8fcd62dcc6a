import type { Shape } from "@/i18n";
import type { health as en } from "../en/health";

export const health: Shape<typeof en> = {
  title: "상태",
  subtitle: "허브의 어느 부분이 정상이고 아닌지, 무엇을 하면 되는지 보여 줍니다. 15초마다 다시 확인합니다.",
  again: "다시 확인",
  statuses: { ok: "정상", warning: "확인 필요", error: "이상" },
  checks: "점검",
  columns: { part: "부분", found: "결과", took: "걸린 시간", since: "마지막 변화" },
  took: (milliseconds) => `${milliseconds} ms`,
  copyCommand: (command) => `${command} 복사`,
  doctor: "명령줄에서 점검",
  doctorText:
    "버전, 권한, 서버에 필요한 프로그램, 샌드박스까지 이 페이지보다 자세히 알려 줍니다. 아무것도 바꾸지 않습니다.",
  build: { title: "빌드", version: "버전", node: "노드", started: "시작 시각", uptime: "가동 시간" },
  names: {
    database: "데이터베이스",
    ledger: "이벤트 저장소",
    chain: "해시 체인",
    completeness: "완전성",
    schema: "스키마",
    backup: "백업",
    master_key: "마스터 키",
    retention: "보관 기간",
    tail: "접근 판단",
    read_tables: "조회 테이블",
    servers: "서버",
    disk: "디스크",
    clock: "시계",
    sign_in: "로그인",
    address: "주소",
    replica: "복제 서버",
  },
  found: {
    database: { answers: () => "응답합니다." },
    ledger: {
      writable: ({ position }) => `이벤트를 기록할 수 있습니다. 최신 이벤트는 #${position}입니다.`,
      read_only: () => "데이터베이스가 읽기 전용이라 이벤트를 기록할 수 없습니다.",
    },
    chain: {
      holds: ({ events, position }) => `#${position}까지 최근 이벤트 ${events}개의 체인이 맞습니다.`,
      broken: ({ position }) => `#${position}에서 끊겼습니다. 저장된 내용이 기록 당시와 다릅니다.`,
    },
    completeness: {
      complete: ({ position }) => `마지막 체크포인트 #${position}까지 빠진 것이 없습니다.`,
      cut_off: ({ position, head }) =>
        `뒷부분이 잘렸습니다. 체크포인트는 #${position}까지 있는데 최신 이벤트는 #${head}입니다.`,
      rewritten: ({ position }) => `#${position}의 내용이 체크포인트와 다릅니다. 다시 쓰였습니다.`,
      unknown: () => "비교할 체크포인트가 없습니다.",
      empty: () => "아직 기록된 것이 없습니다.",
      elsewhere: () => "체크포인트는 다른 노드가 서명합니다.",
    },
    schema: {
      current: ({ code }) => `이 릴리스와 같은 마이그레이션 ${code}입니다.`,
      newer: ({ database, code }) =>
        `마이그레이션 ${database}: 이 릴리스의 ${code}보다 새롭지만 그대로 쓸 수 있습니다.`,
      outgrown: ({ database, code }) =>
        `마이그레이션 ${database}: ${code}까지만 아는 이 릴리스에는 너무 새롭습니다. 허브는 진행 중인 일을 마치고 종료합니다.`,
    },
    backup: {
      recent: ({ age }) => `마지막 백업은 ${age}에 만들었습니다.`,
      old: ({ age, days }) => `마지막 백업을 ${age}에 만들었습니다. ${days}일을 넘기지 않아야 합니다.`,
      never: ({ age }) => `백업을 만든 적이 없습니다. 허브는 ${age}에 시작했습니다.`,
      young: () => "아직 만든 백업이 없습니다. 시작한 지 얼마 안 된 허브입니다.",
      elsewhere: () => "다른 방법으로 백업하므로 확인하지 않습니다.",
    },
    master_key: {
      young: ({ items, days }) => `${items} 키를 ${days}일째 쓰고 있습니다.`,
      old: ({ items, days, most }) =>
        `${items} 키를 ${days}일째 쓰고 있습니다. ${most}일을 넘기지 않아야 합니다.`,
      unfinished: ({ items }) => `교체가 도중에 끊겨 ${items} 키가 모두 필요합니다.`,
    },
    retention: {
      kept: ({ calls, calls_most, access, access_most, payloads, payloads_most }) =>
        `보관 일수: 호출 ${calls}/${calls_most}일, 로그인과 거부 ${access}/${access_most}일, 인자와 결과 ${payloads}/${payloads_most}일.`,
      late: ({ calls, calls_most, access, access_most, payloads, payloads_most }) =>
        `기간이 지난 기록이 남아 있습니다. 보관 일수: 호출 ${calls}/${calls_most}일, 로그인과 거부 ${access}/${access_most}일, 인자와 결과 ${payloads}/${payloads_most}일.`,
    },
    tail: {
      follows: ({ position }) => `최신 이벤트 #${position}까지 반영해 판단합니다.`,
      behind: ({ position }) => `#${position} 이후를 확인하지 못해 호출을 거부하고 있습니다.`,
    },
    read_tables: {
      current: ({ tables }) => `${tables}개 모두 최신입니다.`,
      behind: ({ items, facts }) => `${items} 테이블이 이벤트 ${facts}개만큼 늦습니다.`,
      failed: ({ items }) => `${items} 테이블이 처리하지 못한 이벤트에서 멈췄습니다.`,
    },
    servers: {
      answering: ({ servers }) => `${servers}개 중 오류를 알린 서버가 없습니다.`,
      failing: ({ items, failing, servers }) => `${servers}개 중 ${failing}개에 오류가 있습니다: ${items}`,
    },
    disk: {
      room: ({ free, total }) => `${total} 중 ${free} 남았습니다.`,
      little: ({ free, total }) => `${total} 중 ${free}만 남았습니다.`,
      too_little: ({ free, total }) => `${total} 중 ${free}만 남았습니다. 공간이 없으면 변경을 거부합니다.`,
    },
    clock: {
      agrees: ({ milliseconds }) => `데이터베이스와 ${milliseconds} ms 차이입니다.`,
      differs: ({ milliseconds }) => `데이터베이스와 ${milliseconds} ms 어긋나 있습니다.`,
    },
    sign_in: {
      local: () => "이름과 비밀번호로 로그인합니다.",
      limited: ({ items }) => `이름과 비밀번호, 그리고 허용된 ${items} 계정으로 로그인합니다.`,
      open: ({ items }) => `${items} 계정이 있으면 누구나 들어올 수 있습니다.`,
    },
    address: {
      https: ({ items }) => `${items} 주소는 암호화됩니다.`,
      loopback: ({ items }) => `${items} 주소는 이 컴퓨터에서만 열립니다.`,
      plain: ({ items }) => `${items} 주소는 암호화되지 않아 키와 비밀번호가 중간에서 읽힐 수 있습니다.`,
    },
    replica: {
      follows: ({ seconds }) => `호출 기록을 여기에서 읽습니다. ${seconds}초 뒤처져 있습니다.`,
      behind: ({ seconds, most }) => `${seconds}초 뒤처져(최대 ${most}초) 호출 기록을 주 서버에서 읽습니다.`,
      away: () => "응답하지 않거나 다른 데이터베이스여서 호출 기록을 주 서버에서 읽습니다.",
    },
  },
  silent: { silent: () => "제때 응답하지 않았습니다." },
  remedies: {
    database: "데이터베이스 로그를 확인하세요. 허브는 스스로 다시 연결합니다.",
    ledger:
      "데이터베이스를 쓸 수 있게 하세요. 디스크가 가득 찼거나 복제본이 대신 떠 있으면 읽기 전용이 됩니다.",
    chain: "누가 원장을 바꿨는지 확인하고 백업에서 복구하세요. 아래 명령은 전체를 검사합니다.",
    completeness:
      "데이터베이스와 체크포인트의 사본을 보관하고 백업에서 복구하세요. 아래 명령은 어디부터 다른지 알려 줍니다.",
    schema: "여기에도 새 릴리스를 시작하세요.",
    backup:
      "백업을 만들고, 매일 만들어지게 하세요. 데이터베이스를 다른 방법으로 백업한다면 MCPHUB_BACKUP_DAYS 값을 0으로 두세요.",
    master_key:
      "새 마스터 키로 교체하세요. 그동안에도 허브는 계속 동작합니다. 이전 키가 필요한 백업이 있으면 이전 키링도 함께 보관하세요.",
    retention: "로그에서 day-sealer를 확인하세요. 봉인된 날의 기록만 지웁니다.",
    tail: "데이터베이스 로그를 확인하세요. 응답하면 호출은 바로 다시 됩니다.",
    read_tables:
      "페이지가 이전 상태를 보여 줄 수 있습니다. 아래 명령이 테이블을 새로 만들며, 사용자는 느끼지 못합니다.",
    servers: "서버 페이지에서 오류를 확인하세요. 다른 서버에는 영향이 없습니다.",
    disk: "공간을 비우거나 MCPHUB_TRAFFIC_DAYS 값으로 기록 기간을 줄이세요.",
    clock: "NTP로 시계를 맞추세요. 이벤트 시각은 데이터베이스, 호출 시각은 허브의 시계를 따릅니다.",
    sign_in: "MCPHUB_GITHUB_ALLOW 또는 MCPHUB_OIDC_ALLOW 값으로 들어올 수 있는 사람을 정하세요.",
    replica: "복제 서버와 주 서버 연결을 확인하세요. 따라잡으면 저절로 다시 읽습니다.",
    address: "앞에 TLS 프록시를 두고 MCPHUB_PUBLIC_URL 값을 https 주소로 바꾸세요.",
  },
  degraded: (parts) => `허브에 이상이 있습니다: ${parts}`,
  toHealth: "해결 방법",
};
