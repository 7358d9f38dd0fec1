"""Agents that speak the Agent Client Protocol: a peer written with its own library, and one that behaves as real ones
were seen to."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.conftest import Berth
from runner.plane import agent

pytestmark = pytest.mark.slow

AGENTS = Path(__file__).parent / "agents"
SCRIPTED = ("/usr/bin/python3", "-I", "-S", str(AGENTS / "scripted.py"))


@pytest.fixture
def speak(berth: Berth) -> Callable[..., int]:
    """Give the scripted agent these prompts, a task each; the run's exit status."""

    def lead(*prompts: str | dict[str, Any], **assigned: Any) -> int:
        berth.assign(**{"agent": agent("acp", *SCRIPTED), **assigned})
        berth.tasks(*({"prompt": one} if isinstance(one, str) else one for one in prompts))
        return berth.lead()

    return lead


def finished(berth: Berth, task: int = 0) -> dict[str, Any]:
    return berth.plane.of("task.finished", task=task)[0]


def message(berth: Berth, task: int = 0) -> str:
    return berth.plane.text("message", task=task)


@pytest.mark.parametrize(("policy", "chosen"), [("allow", "selected yes"), ("deny", "selected no")])
def test_a_peer_made_with_the_protocols_library_is_understood(berth: Berth, policy: str, chosen: str) -> None:
    berth.assign(agent=agent("acp", sys.executable, str(AGENTS / "library.py")), permission_policy=policy)
    berth.tasks({"prompt": "first"}, {"prompt": "second"})
    assert berth.lead() == 0
    plane = berth.plane
    assert message(berth) == f"turn 1 in {berth.workdir}: {chosen}; you said first"
    assert message(berth, 1) == f"turn 2 in {berth.workdir}: {chosen}; you said second"
    assert plane.text("thought", task=0) == "let me see"
    assert plane.of("plan")[0]["entries"] == [{"content": "look", "priority": "high", "state": "in_progress"}]
    last = plane.of("tool", task=0)[-1]
    assert (last["tool"], last["title"], last["kind"], last["state"]) == ("t1", "Edit a file", "edit", "completed")
    assert (last["input"], last["output"]) == ({"path": "a.txt"}, "done")
    assert last["diff"] == [{"path": "a.txt", "old": "old\n", "new": "new\n"}]
    assert [one["by"] for one in plane.of("permission.answered")] == ["policy", "policy"]
    assert plane.exit is not None
    assert plane.exit["last_message"] == message(berth, 1)


def test_updates_outside_a_turn_and_unknown_ones_break_nothing(berth: Berth, speak: Callable[..., int]) -> None:
    assert speak("say hello") == 0
    assert "early" in berth.plane.text("thought")
    assert message(berth) == "hello"


def test_the_opening_comes_with_the_first_prompt_alone(berth: Berth, speak: Callable[..., int]) -> None:
    assert speak("one", "two", opening="be careful") == 0
    assert message(berth) == "<be careful><><one>"
    assert message(berth, 1) == "<two>"


@pytest.mark.parametrize("request_id", ["1", "2", "perm-a", "0"])
@pytest.mark.parametrize(("policy", "option"), [("allow", "x2"), ("deny", "x3")])
def test_permissions_are_answered_by_kind_whatever_their_number(
    berth: Berth, speak: Callable[..., int], request_id: str, policy: str, option: str
) -> None:
    assert speak(f"ask {request_id}", permission_policy=policy) == 0
    assert message(berth) == f"[selected {option}]"
    [answered] = berth.plane.of("permission.answered")
    assert (answered["option"], answered["by"]) == (option, "policy")


def test_a_person_answers_the_very_action_they_were_shown(berth: Berth) -> None:
    berth.assign(agent=agent("acp", *SCRIPTED), permission_policy="ask", idle_timeout=30.0)
    berth.tasks({"prompt": "ask 7\nsay after"})
    started = berth.start()
    asked = berth.plane.wait_for("permission.asked")
    assert asked["action"]["input"] == {"command": "rm"}
    assert [one["kind"] for one in asked["options"]] == ["allow_always", "allow_once", "reject_once"]
    berth.plane.command("answer", question=asked["question"], option="x2", hash="0" * 64)
    berth.plane.wait_for("error")
    berth.plane.command("answer", question=asked["question"], option="nothing", hash=asked["hash"])
    berth.plane.wait(lambda: len(berth.plane.of("error")) == 2)
    assert berth.plane.of("permission.answered") == []
    berth.plane.command("answer", question=asked["question"], option="x3", hash=asked["hash"])
    assert started.ended() == 0
    assert message(berth) == "[selected x3]after"
    [answered] = berth.plane.of("permission.answered")
    assert (answered["question"], answered["option"], answered["by"]) == (asked["question"], "x3", "user")


def test_an_action_too_large_to_be_shown_is_not_asked_about(berth: Berth, speak: Callable[..., int]) -> None:
    action = json.dumps({"rawInput": {"command": "x" * 300_000}})
    assert speak(f"ask 3 {action}", permission_policy="ask") == 0
    assert message(berth) == "[cancelled None]"
    assert berth.plane.of("permission.asked") == []


def test_what_the_runner_does_not_offer_is_refused_by_number(berth: Berth, speak: Callable[..., int]) -> None:
    assert speak("call a fs/read_text_file\ncall 5 terminal/create\ncall 6 session/request_permission") == 0
    assert message(berth) == "[-32601][-32601][-32602]"


def test_junk_on_stdout_is_shown_and_passed_over(berth: Berth, speak: Callable[..., int]) -> None:
    junk = 'raw npm warn deprecated\nraw [1]\nraw {"half":\nraw {"jsonrpc":"2.0","id":99,"result":{}}\nraw'
    assert speak(f'{junk}\nlong 9000000\nraw {{"method":"session/update","params":7}}\nsay still here') == 0
    assert message(berth) == "still here"
    stray = berth.plane.text(stream="stdout")
    assert stray.startswith('npm warn deprecated\n[1]\n{"half":\n')
    assert "over 8388608 bytes was passed over" in stray
    assert 'not understood: {"method":"session/update","params":7}' in stray


def test_tools_are_told_by_id_whatever_comes_first(berth: Berth, speak: Callable[..., int]) -> None:
    updates = [
        {"sessionUpdate": "tool_call_update", "toolCallId": "a", "status": "in_progress"},
        {"sessionUpdate": "tool_call", "toolCallId": "a", "title": "Run", "kind": "execute", "status": "pending"},
        {"sessionUpdate": "tool_call_update", "toolCallId": "a", "_meta": {"terminal_output_delta": {"data": "one "}}},
        {"sessionUpdate": "tool_call_update", "toolCallId": "a", "_meta": {"terminal_output_delta": {"data": "two"}}},
        {"sessionUpdate": "tool_call_update", "toolCallId": "a", "status": "completed"},
    ]
    assert speak("\n".join(f"update {json.dumps(one)}" for one in updates)) == 0
    told = berth.plane.of("tool", tool="a")
    assert len(told) == 5
    assert (told[-1]["title"], told[-1]["state"], told[-1]["output"]) == ("Run", "completed", "one two")


def test_what_an_agent_streams_is_bounded_by_its_task(berth: Berth, speak: Callable[..., int]) -> None:
    berth.plane.assignment["limits"]["task_output_bytes"] = 100_000
    end = json.dumps({"sessionUpdate": "tool_call_update", "toolCallId": "flood", "status": "completed"})
    assert speak(f"flood 3000\nburst 300\nupdate {end}", "say next") == 0
    told = berth.plane.of("tool", task=0)
    assert sum(len(json.dumps(one)) for one in told) < 150_000
    assert told[-1]["state"] == "completed"
    assert len(message(berth)) <= 100_000
    assert sum(one.get("cut", 0) for one in berth.plane.of("message", task=0)) >= 200_000
    assert message(berth, 1) == "next"


def test_questions_without_end_come_to_one(berth: Berth, speak: Callable[..., int]) -> None:
    assert speak("\n".join("ask 1" for _ in range(1005)), permission_policy="allow") == 0
    assert len(berth.plane.of("permission.answered")) == 1000
    assert message(berth).endswith("[selected x2]" + "[cancelled None]" * 5)


def test_an_agent_that_dies_in_mid_turn_fails_the_attempt_and_the_next_has_a_new_one(
    berth: Berth, speak: Callable[..., int]
) -> None:
    script = "where\nraw\nsay dying\nexit 9"
    assert speak({"prompt": script, "max_attempts": 2, "continue_on_failure": True}, "where") == 1
    assert finished(berth)["attempts"] == 2
    assert finished(berth)["reason"] == "the agent ended in the middle of its work (exit status 9)"
    assert message(berth).count("dying") == 2
    assert finished(berth, 1)["outcome"] == "succeeded"
    processes = {part.split()[-1] for part in (message(berth) + message(berth, 1)).split("]") if "[" in part}
    assert len(processes) == 3


def test_what_an_agent_left_running_is_gone_at_the_end(berth: Berth, speak: Callable[..., int]) -> None:
    assert speak("child") == 0
    pid = message(berth).strip("[]")
    assert not Path("/proc", pid).exists()


def test_an_agent_that_hangs_is_ended_with_its_task_and_the_next_task_has_a_new_one(
    berth: Berth, speak: Callable[..., int]
) -> None:
    hanging = {"prompt": "say in\nhang", "timeout": 1.0, "continue_on_failure": True}
    assert speak(hanging, "say out", grace=0.4) == 1
    assert "longer than 1 s" in finished(berth)["reason"]
    assert (finished(berth, 1)["outcome"], message(berth, 1)) == ("succeeded", "out")


def test_an_agent_that_hangs_at_the_end_does_not_hold_the_run(berth: Berth) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); exec(open({SCRIPTED[3]!r}).read())"
    berth.assign(agent=agent("acp", "/usr/bin/python3", "-I", "-S", "-c", deaf), grace=0.4)
    berth.tasks({"prompt": "say done"})
    assert berth.lead() == 0


def test_cancelling_tells_the_agent_first(berth: Berth) -> None:
    berth.assign(agent=agent("acp", *SCRIPTED), grace=5.0)
    berth.tasks({"prompt": "say in\nwait"})
    started = berth.start()
    berth.plane.wait_for("message")
    berth.plane.command("cancel")
    assert started.ended() == 143
    assert (berth.workdir / "cancelled").read_text() == "heard\n"


def test_a_task_past_its_timeout_is_cancelled_and_the_agent_kept(berth: Berth, speak: Callable[..., int]) -> None:
    waiting = {"prompt": "where\nwait", "timeout": 1.0, "continue_on_failure": True}
    assert speak(waiting, "where") == 1
    assert message(berth) == message(berth, 1)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("stop refusal", "the agent ended its turn with 'refusal'"),
        ("stop max_tokens", "the agent ended its turn with 'max_tokens'"),
        ("fail no more money", "the agent answered with an error: no more money"),
    ],
)
def test_a_turn_that_does_not_end_well_fails_its_task(
    berth: Berth, speak: Callable[..., int], script: str, says: str
) -> None:
    assert speak(script) == 1
    assert finished(berth)["reason"] == says


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ((*SCRIPTED, "2"), "the agent speaks version 2 of the protocol, the runner 1"),
        (("no-such-agent",), "the agent ended in the middle of its work (exit status 127)"),
        (("echo", "hello"), "the agent ended in the middle of its work (exit status 0)"),
    ],
)
def test_an_agent_that_cannot_be_spoken_to_says_why(berth: Berth, command: tuple[str, ...], says: str) -> None:
    berth.assign(agent=agent("acp", *command))
    berth.tasks({"prompt": "say never"})
    assert berth.lead() == 1
    assert finished(berth)["reason"] == says


def test_a_check_that_fails_becomes_the_next_prompt(berth: Berth, speak: Callable[..., int]) -> None:
    check = "echo please make it; test -e made || { touch made; exit 1; }"
    assert speak({"prompt": "say working", "check": check, "max_attempts": 3}) == 0
    assert [one["passed"] for one in berth.plane.of("check.output")] == [False, True]
    assert "<please make it>" in message(berth)
    assert "The check of this task failed" in message(berth)
    assert finished(berth)["attempts"] == 2


def test_scripts_and_agents_mix_and_each_keeps_its_conversation(berth: Berth, speak: Callable[..., int]) -> None:
    shell = agent("shell")
    assert speak("where", {"prompt": "echo script", "agent": shell}, "where") == 0
    assert message(berth) == message(berth, 2)
    assert berth.plane.text(task=1) == "script\n"


def test_what_a_person_says_meanwhile_is_the_next_turn(berth: Berth) -> None:
    berth.assign(agent=agent("acp", *SCRIPTED), interactive=True)
    berth.tasks({"prompt": "say first"})
    started = berth.start()
    berth.plane.wait_for("task.finished")
    berth.plane.command("message", text="say more\nsay  and more")
    berth.plane.wait(lambda: "and more" in berth.plane.text("message"))
    assert berth.plane.of("user.message")[0]["text"] == "say more\nsay  and more"
    berth.plane.command("stop")
    assert started.ended() == 0


def test_a_secret_in_an_agents_words_is_masked_across_chunks(berth: Berth, speak: Callable[..., int]) -> None:
    berth.plane.secrets = {"KEY": b"made-up-value"}
    tool = json.dumps(
        {"sessionUpdate": "tool_call", "toolCallId": "a", "title": "x made-up-value", "rawInput": ["made-up-value"]}
    )
    assert speak(f"say made-up\nsay -val\nsay ue!\nupdate {tool}\nstderr made-up-value") == 0
    assert message(berth) == "***KEY***!"
    assert b"made-up-value" not in (berth.place / "spool").read_bytes()
    assert berth.plane.exit is not None
    assert "made-up-value" not in json.dumps(berth.plane.exit)


@pytest.mark.parametrize("whole", [False, True], ids=["piece by piece", "each time all of it"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_secret_in_a_tools_output_is_masked_across_updates(
    berth: Berth, speak: Callable[..., int], *, whole: bool, ended: bool
) -> None:
    berth.plane.secrets = {"KEY": b"made-up-value"}
    said, updates = "made-up-value, then made-up", [{"sessionUpdate": "tool_call", "toolCallId": "a", "title": "t"}]
    for end in range(1, len(said) + 1):
        update: dict[str, Any] = {"sessionUpdate": "tool_call_update", "toolCallId": "a"}
        if whole:
            update["content"] = [{"type": "content", "content": {"type": "text", "text": said[:end]}}]
        else:
            update["_meta"] = {"terminal_output_delta": {"data": said[end - 1]}}
        updates.append(update)
    if ended:
        updates.append({"sessionUpdate": "tool_call_update", "toolCallId": "a", "status": "completed"})
    assert speak("\n".join(f"update {json.dumps(one)}" for one in updates)) == 0
    outputs = [one["output"] for one in berth.plane.of("tool") if "output" in one]
    assert outputs[-1] == "***KEY***, then made-up", "what is no value after all is told at the end"
    assert {one for one in outputs if one.startswith("m")} == set()


def test_a_secret_made_of_digits_is_masked_as_a_number_and_what_the_runner_counts_stays(
    berth: Berth, speak: Callable[..., int]
) -> None:
    berth.plane.secrets = {"PIN": b"48151623", "FIVE": b"1048576"}
    update = {"sessionUpdate": "tool_call", "toolCallId": "a", "rawInput": {"pin": 48151623}, "rawOutput": 48151623}
    usage = {
        "sessionUpdate": "usage_update",
        "used": 48151623,
        "size": 1048576,
        "cost": {"amount": 0.5, "currency": "X"},
    }
    assert speak(f"update {json.dumps(update)}\nupdate {json.dumps(usage)}") == 0
    told = berth.plane.of("tool", tool="a")[0]
    assert (told["task"], told["input"], told["output"]) == (0, {"pin": "***PIN***"}, "***PIN***")
    [used] = berth.plane.of("usage")
    assert used == {"used": "***PIN***", "size": "***FIVE***", "cost": 0.5, "currency": "X"}
    assert b"48151623" not in (berth.place / "spool").read_bytes()
    assert berth.plane.exit is not None
    assert berth.plane.exit["usage"] == used
    assert isinstance(berth.plane.exit["durations"]["tasks"], float)


def test_no_value_is_cut_in_two_where_what_an_agent_says_is_shortened(berth: Berth, speak: Callable[..., int]) -> None:
    value = "made-up-value-that-is-cut"
    berth.plane.secrets = {"KEY": value.encode()}
    limit = berth.plane.assignment["limits"]["line_bytes"]
    # Each stands where what is kept of it ends, or begins, in its middle.
    update = {
        "sessionUpdate": "tool_call", "toolCallId": "t" * 190 + value, "title": "x" * 990 + value,
        "kind": "k" * 40 + value, "rawOutput": value + "y" * (limit - 12),
    }  # fmt: skip
    assert speak(f"update {json.dumps(update)}\nsay {'z' * 65526}{value}\nstop {'s' * 90}{value}") == 1
    told = [(berth.place / name).read_bytes() for name in ("spool", "exit")]
    assert [part in content for content in told for part in (b"made-up", b"is-cut")] == [False] * 4
    assert berth.plane.of("tool")[0]["output"].endswith("y" * (limit - 12))
    assert berth.plane.exit is not None
    assert berth.plane.exit["last_message"].endswith("z***KEY***")
