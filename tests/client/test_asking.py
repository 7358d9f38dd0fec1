"""What a client promises when the line breaks or the server refuses."""

import pytest

from client.conftest import Did
from client.scripted import Reply, Scripted, answer, drop, page, refusal
from mooring.client import Mooring, errors
from mooring.client.kinds import KINDS, kind_named, kind_of_id

AGENT = {"id": "agt_0ujtsYcgvSTl8PAuAdqWYSMnLOv", "name": "a", "version": 3}


def test_a_create_whose_answer_was_lost_is_repeated_under_the_same_key(server: Scripted, did: Did) -> None:
    server.will(drop, answer(503, b""), answer(201, AGENT))
    assert did(lambda mooring: mooring.of("agent").create({"name": "a"})) == AGENT
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1
    assert [asked.json for asked in server.asked] == [{"name": "a"}] * 3


@pytest.mark.parametrize("reply", [drop, refusal(503, "the store is away")])
def test_a_verification_of_the_record_is_asked_for_once(server: Scripted, did: Did, reply: Reply) -> None:
    server.will(reply)
    with pytest.raises(errors.Unavailable):
        did(lambda mooring: mooring.record.verify())
    [asked] = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/mooring/v1/record/verify")


def test_two_creates_have_two_keys(server: Scripted, did: Did) -> None:
    server.will(answer(201, AGENT))
    for _ in range(2):
        did(lambda mooring: mooring.of("agent").create({"name": "a"}))
    first, second = (asked.headers["idempotency-key"] for asked in server.asked)
    assert first != second


def test_a_conditional_change_whose_answer_was_lost_is_not_repeated(server: Scripted, did: Did) -> None:
    server.will(drop, answer(200, AGENT))
    with pytest.raises(errors.Unavailable, match="no answer from http://127"):
        did(lambda mooring: mooring.of("agent").patch(AGENT["id"], {"model": "x"}, version=2))
    assert [asked.headers["if-match"] for asked in server.asked] == ['"2"']


def test_a_change_without_a_condition_is_repeated(server: Scripted, did: Did) -> None:
    server.will(drop, answer(200, AGENT))
    assert did(lambda mooring: mooring.of("agent").patch(AGENT["id"], {"model": None})) == AGENT
    assert [asked.json for asked in server.asked] == [{"model": None}] * 2


def test_a_delete_whose_answer_was_lost_is_done_when_nothing_is_there_any_more(server: Scripted, did: Did) -> None:
    server.will(drop, refusal(404, "there is no agent"))
    did(lambda mooring: mooring.of("agent").delete(AGENT["id"]))
    server.will(refusal(404, "there is no agent"))
    with pytest.raises(errors.Missing):
        did(lambda mooring: mooring.of("agent").delete(AGENT["id"]))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Unfit), (401, errors.NotKnown), (403, errors.Denied), (404, errors.Missing), (409, errors.Clash),
        (412, errors.Stale), (413, errors.Unfit), (422, errors.Unfit), (500, errors.Unavailable),
    ],
)  # fmt: skip
def test_a_refusal_is_raised_as_its_kind_with_the_servers_words(
    server: Scripted, did: Did, status: int, kind: type[errors.MooringError]
) -> None:
    server.will(refusal(status, "because", details={"field": "name"}))
    with pytest.raises(kind) as raised:
        did(lambda mooring: mooring.of("agent").get("x"))
    error = raised.value
    assert type(error) is kind
    assert (error.reason, error.status, error.code) == ("because", status, "mooring-6")
    assert (error.operation_id, error.details) == ("op_1", {"field": "name"})
    assert len(server.asked) == 1


def test_too_many_requests_are_asked_again_when_the_server_says(server: Scripted, did: Did) -> None:
    server.will(answer(429, b"", Retry_After="0"), answer(200, AGENT))
    assert did(lambda mooring: mooring.of("agent").get("x")) == AGENT
    server.will(refusal(429, "wait an hour"))
    server.will(answer(429, b"", Retry_After="3600"))
    with pytest.raises(errors.Unavailable):
        did(lambda mooring: mooring.of("agent").get("x"))
    assert len(server.asked) == 3


def test_an_answer_of_something_that_is_no_mooring_says_so(server: Scripted, did: Did) -> None:
    server.will(answer(404, b"<html>nothing here</html>"))
    with pytest.raises(errors.Missing, match="answered with 404") as raised:
        did(lambda mooring: mooring.whoami())
    assert raised.value.hint == "is this the address of a Mooring server?"
    server.will(answer(200, b"<html>hello</html>"))
    with pytest.raises(errors.Unavailable, match="not understood"):
        did(lambda mooring: mooring.whoami())


def test_a_token_follows_no_redirect(server: Scripted, did: Did) -> None:
    server.will(answer(302, b"", Location="http://127.0.0.1:1/elsewhere"))
    with pytest.raises(errors.Unavailable, match=r"redirects to http://127\.0\.0\.1:1/elsewhere"):
        did(lambda mooring: mooring.of("agent").get("x"))
    assert len(server.asked) == 1


def test_a_reason_in_any_language_arrives_and_one_of_several_lines_is_refused(server: Scripted, did: Did) -> None:
    server.will(answer(200, AGENT))
    did(lambda mooring: mooring.of("agent").patch("x", {}, reason="weil es nötig war: 理由"))
    assert server.asked[0].headers["audit-reason"].encode("latin-1").decode() == "weil es nötig war: 理由"
    with pytest.raises(errors.Unfit, match="one line"):
        did(lambda mooring: mooring.of("agent").patch("x", {}, reason="a\r\nX-Forged: 1"))
    assert len(server.asked) == 1


def test_a_list_is_paged_to_its_end_and_each_item_comes_once(server: Scripted, did: Did) -> None:
    server.will(page([{"id": "1"}, {"id": "2"}], "c1"), page([{"id": "3"}], "c2"), page([]))
    assert did(lambda mooring: mooring.of("agent").list()) == [{"id": "1"}, {"id": "2"}, {"id": "3"}]
    assert [asked.path.partition("?")[2] for asked in server.asked] == [
        "size=200&after=", "size=200&after=c1", "size=200&after=c2",
    ]  # fmt: skip


def test_a_name_finds_the_one_that_has_it_and_an_ambiguous_one_is_refused_with_the_ids(
    server: Scripted, did: Did
) -> None:
    rows = [{"id": "agt_1", "name": "a"}, {"id": "agt_2", "name": "b"}, {"id": "agt_3", "name": "b"}]
    server.will(page(rows))
    assert did(lambda mooring: mooring.of("agent").find("a"))["id"] == "agt_1"
    with pytest.raises(errors.Ambiguous, match="agt_2, agt_3") as raised:
        did(lambda mooring: mooring.of("agent").find("b"))
    assert raised.value.ids == ("agt_2", "agt_3")
    with pytest.raises(errors.Missing, match="no agent named 'c'"):
        did(lambda mooring: mooring.of("agent").find("c"))


@pytest.mark.parametrize("hostile", ["..", ".", "a/../b", "a?b=c", "a#b", "%2e%2e", "\r\n", "é"])
def test_no_id_leads_out_of_its_collection(server: Scripted, did: Did, hostile: str) -> None:
    server.will(answer(200, AGENT))
    did(lambda mooring: mooring.of("agent").get(hostile))
    (asked,) = server.asked
    prefix, separator, last = asked.path.rpartition("/")
    assert (prefix, separator) == ("/api/mooring/v1/agents", "/")
    assert last not in ("", ".", "..")
    assert "?" not in last


def test_a_server_that_is_not_there_is_unavailable_and_the_hint_says_what_to_do(did: Did, server: Scripted) -> None:
    server.will(answer(200, AGENT))
    with Mooring("http://127.0.0.1:1", "mrg_x") as mooring, pytest.raises(errors.Unavailable) as raised:
        mooring.of("agent").get("x")
    assert "moor up" in str(raised.value.hint)
    assert did(lambda found: found.of("agent").get("x")) == AGENT


def test_what_cannot_be_sent_is_refused_before_it_is(server: Scripted, did: Did) -> None:
    server.will(answer(201, AGENT))
    with pytest.raises(errors.Unfit, match="cannot be sent"):
        did(lambda mooring: mooring.of("agent").create({"name": object()}))
    assert server.asked == []


def test_kinds_are_known_by_noun_plural_and_short_form() -> None:
    assert {kind_named(word) for word in ("instance", "instances", "ci", "compute-instances")} == {KINDS["instance"]}
    assert kind_named("Workflow") is KINDS["workflow"]
    assert kind_named("nothing") is None
    assert kind_of_id("wf_0ujtsYcgvSTl8PAuAdqWYSMnLOv") is KINDS["workflow"]
    assert kind_of_id("wf_short") is None
