import pytest
from eventsourcing.dcb.domain import Tagged
from msgspec import UNSET, Raw

from mcphub.domain.actor import ActorMissing, Meta, acting, system
from mcphub.domain.codec import JsonMapper, checked_tags, decode, decode_meta, encode
from mcphub.domain.errors import Unrecordable
from mcphub.domain.events import (
    EVENT_TYPES,
    KeyRenamed,
    Scope,
    ServerAdded,
    UserActivated,
    UserDeactivated,
    UserPreferencesChanged,
)


def stored(event, *tags):
    with acting(system("test")):
        return JsonMapper().to_dcb_event(Tagged(tags=list(tags), decision=event))


def test_an_event_is_json_under_its_own_name():
    assert stored(UserActivated(user_id="bob")).data == b'{"type":"UserActivated","user_id":"bob"}'
    assert {type_.TOPIC for type_ in EVENT_TYPES.values()} == set(EVENT_TYPES)


def test_what_did_not_change_is_not_there_and_none_is():
    event = KeyRenamed(key_id="k", user_id="bob", scope=None)

    assert encode(event) == b'{"type":"KeyRenamed","key_id":"k","user_id":"bob","scope":null}'
    assert decode(encode(event)).scope is None
    assert decode(encode(KeyRenamed(key_id="k", user_id="bob", scope=Scope(servers=[])))).scope == Scope(servers=[])
    assert decode(encode(UserPreferencesChanged(user_id="bob"))).theme is UNSET


def test_a_configuration_keeps_its_bytes():
    config = b'{"b":1.50,"a":{"z":1e2},"t":"\\u00e9"}'

    assert bytes(decode(encode(ServerAdded(server_id="s", name="n", slug="n", config=Raw(config)))).config) == config


def test_only_types_of_the_registry_are_read():
    for data in (b'{"type":"os.system"}', b'{"type":"mcphub.domain.events:UserActivated","user_id":"b"}', b"{}", b"[]"):
        with pytest.raises(ValueError):
            decode(data)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\\\0", "ends with \0"])
def test_text_no_read_table_could_hold_is_refused(text):
    """A key described with it would have parked the table of keys for everybody."""
    with pytest.raises(Unrecordable):
        stored(UserDeactivated(user_id="bob", reason=text))


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "u0000", "\t\n\x01\x1f\x7f", "지라 🦀"])
def test_other_text_is_recorded_as_it_is(text):
    assert decode(stored(UserDeactivated(user_id="bob", reason=text)).data).reason == text


@pytest.mark.parametrize("tag", ["", "a\x1fb", "a\nb", "\x00", "a\x7f"])
def test_a_tag_that_could_forge_the_separator_is_refused(tag):
    with pytest.raises(ValueError, match="control character"):
        checked_tags(["user:bob", tag])


def test_tags_are_sorted_and_unique():
    assert stored(UserActivated(user_id="b"), "user:b", "admins", "user:b").tags == ["admins", "user:b"]


def test_nothing_is_stored_without_an_actor():
    for meta in (None, Meta(actor="")):
        with pytest.raises(ActorMissing), acting(meta):
            JsonMapper().to_dcb_event(Tagged(tags=["user:b"], decision=UserActivated(user_id="b")))


def test_metadata_leaves_the_usual_out():
    event = stored(UserActivated(user_id="b"), "user:b")

    assert event.meta == b'{"actor":"system:test","actor_kind":"system","source":"system"}'
    assert decode_meta(b'{"actor":"bob"}') == Meta(actor="bob", actor_kind="user", source="api")
