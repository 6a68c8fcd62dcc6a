"""What problems say to those who ask for Korean. Codes stay, and so do names and values in what they are about.

Every code has its sentence here (tests/unit/test_korean.py); the interface has its own, for its own pages.
"""

from collections.abc import Iterable

# code → what failed, what to do
PROBLEMS = {
    "admin_protected": ("대상이 관리자입니다.", "먼저 관리자 권한을 거두세요."),
    "admin_required": ("관리자만 할 수 있습니다.", "관리자에게 요청하세요."),
    "already_set_up": ("이 허브에는 이미 관리자가 있습니다.", "로그인하세요."),
    "bad_next": ("허브 밖으로 이어지는 주소입니다.", "`next`에는 이 허브의 경로를 쓰세요."),
    "body_too_large": ("요청 본문이 너무 큽니다.", "나누어 보내세요."),
    "body_too_slow": ("요청 본문이 제때 도착하지 않았습니다.", "다시 보내세요."),
    "busy": ("같은 항목에 대한 다른 변경이 먼저 기록되었습니다.", "잠시 뒤 다시 시도하세요."),
    "check_running": ("이미 점검하고 있습니다.", "끝날 때까지 기다리세요."),
    "confirmation_needed": ("완전 삭제는 되돌릴 수 없습니다.", "`confirm`에 사용자 이름을 그대로 쓰세요."),
    "credential_conflict": ("서로 다른 토큰 두 개가 한 요청에 왔습니다.", "하나만 보내세요."),
    "csrf_failed": ("허브의 페이지에서 온 요청이 아닙니다.", "페이지를 새로 고친 뒤 다시 시도하세요."),
    "definition_outdated": ("그사이 도구의 정의가 다시 바뀌었습니다.", "새 정의를 확인하세요."),
    "expiry_out_of_range": ("키의 유효 기간이 범위를 벗어났습니다.", "1일에서 90일 사이로 정하세요."),
    "grace_out_of_range": ("이전 키의 유예 시간이 범위를 벗어났습니다.", "0분에서 1440분 사이로 정하세요."),
    "group_name_taken": ("같은 이름의 그룹이 있습니다.", "다른 이름을 쓰세요."),
    "has_password": ("이미 비밀번호가 있는 계정입니다.", "본인이 로그인할 수 없게 되었다면 계정을 삭제하세요."),
    "headers_too_large": ("요청 헤더가 너무 큽니다.", "쿠키를 줄이세요."),
    "host_not_allowed": ("이 호스트 이름으로는 허브를 쓸 수 없습니다.", "허브의 주소를 쓰세요."),
    "identity_known": ("이미 등록된 사람입니다.", "다시 로그인하세요."),
    "internal_error": ("허브가 답하지 못했습니다.", "다시 시도하고, 계속되면 관리자에게 요청 ID를 알려 주세요."),
    "invalid_credentials": ("이름이나 비밀번호가 맞지 않습니다.", "고쳐서 다시 시도하세요."),
    "invalid_name": ("이름이 비었거나 너무 길거나 쓸 수 없는 문자가 있습니다.", "1자에서 100자로 정하세요."),
    "invalid_request": ("요청에 쓸 수 없는 값이 있습니다.", "고쳐서 다시 보내세요. 아무것도 바뀌지 않았습니다."),
    "invalid_schedule": ("쓸 수 없는 일정입니다.", "`errors`에 나온 항목을 고치세요. 아무것도 바뀌지 않았습니다."),
    "invalid_text": ("저장하거나 보여 줄 수 없는 문자가 들어 있습니다.", "제어 문자와 줄바꿈을 빼세요."),
    "invalid_username": ("쓸 수 없는 사용자 이름입니다.", "글자, 숫자, . _ - @ 1자에서 64자로 정하세요."),
    "invalid_values": ("저장할 수 없는 값이 있습니다.", "`errors`에 나온 값을 고치세요. 아무것도 저장하지 않았습니다."),
    "invitation_used": ("이미 썼거나 기한이 지난 초대입니다.", "관리자에게 새 초대를 요청하세요."),
    "irreversible": ("되돌릴 수 없습니다. 값의 키가 파기되었습니다.", "값을 다시 입력하세요."),
    "key_expired": ("만료된 지 30일이 넘은 키입니다.", "새 키를 만드세요."),
    "key_limit": ("키를 더 만들 수 없습니다.", "쓰지 않는 키를 폐기하세요."),
    "key_name_taken": ("같은 이름의 키가 있습니다.", "다른 이름을 쓰세요."),
    "key_not_allowed": ("MCPHub 키로는 MCP 주소만 열 수 있습니다.", "로그인해서 세션의 토큰을 보내세요."),
    "key_revoked": ("폐기된 키는 되살릴 수 없습니다.", "새 키를 만드세요."),
    "key_shown_once": ("키는 만들 때 한 번만 보여 줍니다.", "새 키가 필요하면 교체하세요."),
    "last_admin": ("마지막 활성 관리자입니다.", "먼저 다른 활성 사용자를 관리자로 지정하세요."),
    "malformed_json": ("요청을 읽을 수 없습니다.", "올바른 JSON을 보내세요."),
    "method_not_allowed": ("이 주소는 이 메서드를 받지 않습니다.", "`Allow` 헤더에 있는 메서드를 쓰세요."),
    "no_such_time": ("그런 시점이 없습니다.", "이미 지난 위치나 시각을 쓰세요."),
    "not_a_member": ("이 허브를 쓸 수 있는 조직에 속해 있지 않습니다.", "관리자에게 문의하세요."),
    "not_authenticated": ("로그인하지 않았습니다.", "로그인한 뒤 다시 시도하세요."),
    "not_found": ("이 주소에는 아무것도 없습니다.", "주소를 확인하세요. 무엇이 있는지는 목록에 나옵니다."),
    "not_local_account": ("이 허브에 비밀번호가 없는 계정입니다.", "로그인하는 곳에서 비밀번호를 바꾸세요."),
    "not_parked": ("멈춘 테이블이 아닙니다.", "다시 시도할 것이 없습니다."),
    "not_ready": ("허브가 지금 답할 수 없습니다.", "잠시 뒤 다시 시도하세요."),
    "not_recorded": ("변경을 기록하지 못해 적용하지 않았습니다.", "잠시 뒤 다시 시도하세요."),
    "not_visible": ("그런 도구를 쓸 수 없습니다.", "켜진 그룹에서 무엇이 보이는지 확인하세요."),
    "provider_disabled": ("꺼져 있는 로그인 방법입니다.", "다른 방법으로 로그인하세요."),
    "provider_error": ("로그인 제공자가 제대로 답하지 않았습니다.", "다시 시도하세요."),
    "rate_limited": ("시도가 너무 많습니다.", "`Retry-After`초 뒤에 다시 시도하세요."),
    "rebuild_running": ("이미 다시 만들거나 검증하는 중입니다.", "끝날 때까지 기다리세요."),
    "self_deactivation": ("자기 계정은 비활성화할 수 없습니다.", "다른 관리자에게 요청하세요."),
    "self_deletion": ("자기 계정은 삭제할 수 없습니다.", "다른 관리자에게 요청하세요."),
    "server_disabled": ("꺼져 있는 서버입니다.", "먼저 서버를 켜세요."),
    "server_exists": ("같은 이름의 서버가 있습니다.", "다른 이름을 쓰세요."),
    "session_ended": ("세션이 끝났습니다.", "다시 로그인하세요."),
    "settings_invalid": ("문서에 오류가 있습니다.", "`errors`에 나온 곳을 고치세요. 아무것도 바뀌지 않았습니다."),
    "setup_link_used": ("이미 썼거나 기한이 지난 설정 링크입니다.", "호스트에서 `mcphub setup-link`로 새로 만드세요."),
    "state_invalid": ("로그인이 10분을 넘겼거나 다른 브라우저에서 시작했습니다.", "다시 로그인하세요."),
    "too_busy": ("허브가 바쁩니다.", "잠시 뒤 다시 시도하세요."),
    "tool_name_taken": ("서버의 다른 도구가 이 이름이나 비슷한 이름을 쓰고 있습니다.", "다른 이름을 고르세요."),
    "undo_already": ("이미 예전 상태입니다.", "그 뒤의 변경이 되돌려 놓았습니다."),
    "undo_erased": ("완전 삭제는 되돌릴 수 없습니다.", "그 사람을 새로 등록하세요."),
    "undo_impossible": ("되돌릴 수 없는 변경입니다.", "지금 상태에서 새로 바꾸세요."),
    "undo_key_over": ("폐기했거나 교체했거나 기한이 지난 키는 되살릴 수 없습니다.", "새 키를 만드세요."),
    "undo_no_change": ("일어난 일을 적은 기록일 뿐입니다.", "되돌릴 상태가 없습니다."),
    "undo_outlives": ("이때 만들어진 것은 기록에 남습니다.", "없던 일로 할 수 없으니 삭제하세요."),
    "undo_overtaken": ("그 뒤에 같은 항목이 다시 바뀌었습니다.", "그 변경을 먼저 확인하세요."),
    "undo_part_of": ("다른 변경에 따라온 기록입니다.", "그 변경을 되돌리세요."),
    "undo_preview_outdated": ("미리 본 뒤에 바뀐 것이 있습니다.", "다시 확인하세요."),
    "undo_value_gone": ("이전 값은 파기되었습니다.", "값을 다시 입력하세요."),
    "undo_whole_save": ("문서 전체를 저장한 기록입니다.", "그 전 버전을 복원하세요."),
    "unknown_field": ("요청에 없는 필드가 들어 있습니다.", "고쳐서 다시 보내세요. 아무것도 바뀌지 않았습니다."),
    "unknown_mode": ("그런 노출 방식이 없습니다.", "tools, servers, search, auto 중 하나를 쓰거나 `mode`를 빼세요."),
    "unknown_scope": ("키의 범위에 없는 서버나 그룹이 있습니다.", "있는 서버와 그룹, 그리고 올바른 방식을 쓰세요."),
    "unknown_server": ("그런 이름의 서버가 없습니다.", "이름을 확인하세요. 아무것도 바뀌지 않았습니다."),
    "unsupported_media_type": ("허브가 읽지 않는 형식입니다.", "application/json으로 보내세요."),
    "user_deleted": ("삭제된 사용자입니다.", "먼저 복원하세요."),
    "user_erased": ("완전히 지워진 사용자입니다.", "되살릴 수 없으니 새로 등록하세요."),
    "user_inactive": ("비활성화된 계정입니다.", "먼저 활성화해야 합니다."),
    "user_pending": ("아직 승인되지 않은 계정입니다.", "관리자가 먼저 활성화해야 합니다."),
    "username_taken": ("같은 이름의 사용자가 있습니다.", "다른 이름을 쓰세요."),
    "variables_missing": ("서버에 필요한 값이 비어 있습니다.", "`errors`에 나온 변수를 먼저 입력하세요."),
    "version_mismatch": ("그사이 다른 변경이 있었습니다.", "지금 상태를 불러와 다시 적용하고 저장하세요."),
    "version_required": ("어느 버전을 바꾸는지 알 수 없습니다.", "지금 상태를 불러와 `If-Match`에 그 버전을 쓰세요."),
    "weak_password": ("너무 약한 비밀번호입니다.", "12자 이상으로, 사용자 이름과 다르게 정하세요."),
}

# code → what is wrong with one part of a request or a document
PLACES = {
    "bad_audience": "대상으로 정할 수 없는 값입니다.",
    "bad_cursor": "이 목록이 준 커서가 아닙니다.",
    "bad_header": "보낼 수 없는 헤더입니다.",
    "bad_name": "서버 이름은 NFC로 1자에서 100자이며, '/'를 쓰거나 '$'로 시작할 수 없습니다.",
    "bad_url": "쓸 수 없는 주소입니다.",
    "command_not_allowed": "실행이 허용된 명령이 아닙니다.",
    "credentials_in_url": "주소에 사용자 이름과 비밀번호를 쓸 수 없습니다. 헤더에 쓰세요.",
    "did_you_mean": "허브가 아는 이름과 비슷합니다. 그대로 보존합니다.",
    "duplicate_key": "한 객체에 같은 키가 두 번 있습니다.",
    "egress_denied": "이 허브가 연결할 수 없는 주소입니다.",
    "env_key_not_allowed": "프로세스의 실행을 바꾸는 환경 변수라 쓸 수 없습니다.",
    "env_not_allowed": "사용자 변수도 허브 변수도 아닙니다.",
    "header_not_allowed": "전달할 수 없는 헤더입니다.",
    "headers_on_stdio": "stdio 서버에는 headers를 쓸 수 없습니다. env를 쓰세요.",
    "hub_variable_name": "허브 변수는 HUB_ 뒤에 대문자, 숫자, 밑줄을 붙여 128자 이내로 씁니다.",
    "hub_variable_unset": "허브에 이 변수의 값이 아직 없습니다.",
    "invalid_time": "00:00부터 23:59까지의 시각을 UTC로 쓰세요.",
    "invalid_value": "쓸 수 없는 값입니다.",
    "isolation_shared_with_slots": "사용자 변수가 있는 서버는 함께 쓸 수 없습니다.",
    "literal_secret": "비밀 값으로 보입니다. `${USER_…}`나 `${HUB_…}`를 쓰세요.",
    "malformed_json": "올바른 JSON이 아닙니다.",
    "masked_value": "가림 표시이지 값이 아닙니다. 값을 쓰거나 비워 두세요.",
    "missing_target": "command, url, openapi 중 하나가 필요합니다.",
    "name_case_clash": "대소문자만 다른 이름의 서버가 있습니다.",
    "not_applied": "보존하지만 효과는 없습니다.",
    "openapi_source": "url과 schema 중 정확히 하나가 있어야 합니다.",
    "out_of_range": "허용된 범위를 벗어났습니다.",
    "pattern_invalid": "쓸 수 없는 정규식입니다.",
    "pattern_mismatch": "서버가 요구하는 형식이 아닙니다.",
    "placeholder_syntax": "변수의 형식이 아닙니다. `${USER_NAME}`처럼 쓰세요.",
    "sealed_value_gone": "이 값의 키가 파기되었습니다. 다시 입력하세요.",
    "security_incomplete": "이 인증 방식에 필요한 항목이 빠졌습니다.",
    "size_capped": "허브가 받는 메시지는 최대 10MB입니다.",
    "skip_auth_refused": "인증을 건너뛸 수 없습니다.",
    "slot_in_authority": "`mcphub.userHosts` 없이는 호스트에 변수를 쓸 수 없습니다.",
    "slot_in_command": "명령에는 변수를 쓸 수 없습니다.",
    "slug_taken": "다른 서버가 이 슬러그를 쓰고 있습니다.",
    "too_deep": "64단계보다 깊습니다.",
    "too_long": "너무 깁니다.",
    "tool_name_taken": "서버의 다른 도구가 이 이름을 쓰고 있습니다.",
    "trailing_slash": "주소 끝의 '/'는 쓴 그대로 둡니다.",
    "type_conflict": "서로 다른 유형의 항목이 섞여 있거나 모르는 유형입니다.",
    "type_inferred": "유형을 추정했습니다.",
    "unknown_field": "모르는 필드입니다.",
    "unknown_server": "그런 이름의 서버가 없습니다.",
    "unknown_slot": "서버가 요구하지 않는 변수입니다.",
    "unknown_user": "그런 이름의 사용자가 없습니다.",
    "unpinned_package": "패키지 버전이 정해지지 않아 저절로 바뀔 수 있습니다.",
    "users_ignored": "사용자는 문서에서 읽지 않습니다.",
    "value_not_allowed": "이 값이 들어갈 자리에 쓸 수 없는 값입니다.",
}
NAMES = {"variable_missing"}  # their text is a name
TELLING = {"invalid_request", "invalid_value"}  # any of a hundred reasons, which only the English text names


def prefers_korean(accept_language: str) -> bool:
    """Does an Accept-Language put Korean before English? The first of two alike wins, and English for anything else."""
    best, korean = 0.0, False
    for part in accept_language.split(","):
        tag, *parameters = part.strip().lower().split(";")
        language = tag.strip().partition("-")[0]
        if language in ("ko", "en", "*") and (weight := _weight(parameters)) > best:
            best, korean = weight, language == "ko"
    return korean


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def problem_in_korean(code: str, title: str, detail: str) -> tuple[str, str]:
    """(what failed, what to do), as they are when there is no Korean for them."""
    said = PROBLEMS.get(code)
    if said is None:
        return title, detail
    return said[0], f"{said[1]} ({title})" if code in TELLING else said[1]


def place_in_korean(code: str, detail: str) -> str:
    said = PLACES.get(code)
    if said is None or code in NAMES:
        return detail
    return f"{said} ({detail})" if code in TELLING else said
