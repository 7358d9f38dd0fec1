"""Whatever a task writes arrives bounded, marked where it was cut, and breaks nothing."""

from pathlib import Path

import pytest

from runner.conftest import Berth, Started

pytestmark = pytest.mark.slow

MIB = 1 << 20


def cut(berth: Berth, **data: object) -> int:
    return sum(one.get("cut", 0) for one in berth.plane.of("log", **data))


def peak(started: Started) -> int:
    """The most memory the runner ever had, in KiB."""
    lines = Path(f"/proc/{started.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_nul_and_broken_text_arrive_as_what_can_be_stored(berth: Berth) -> None:
    berth.tasks({"prompt": r"printf 'a\0b\377c\303'; printf '\303\244 \360\237\230\200\r\033[31mred\n' >&2"})
    assert berth.lead() == 0
    assert berth.plane.text(stream="stdout") == "a\ufffdb\ufffdc\ufffd"
    # Colours and the like are the reader's business: whoever shows it decides.
    assert berth.plane.text(stream="stderr") == "ä 😀\r\x1b[31mred\n"


def test_a_character_split_over_two_writes_stays_whole(berth: Berth) -> None:
    berth.tasks({"prompt": r"printf '\303'; sleep 0.3; printf '\244\n'"})
    assert berth.lead() == 0
    assert berth.plane.text() == "ä\n"


def test_small_writes_that_follow_each_other_become_few_events(berth: Berth) -> None:
    script = "import os\nfor n in range(2000): os.write(1, b'%d ' % n)"
    berth.tasks({"prompt": f'/usr/bin/python3 -I -S -c "{script}"'})
    assert berth.lead() == 0
    assert berth.plane.text() == "".join(f"{number} " for number in range(2000))
    assert len(berth.plane.of("log")) < 100


def test_a_line_of_ten_megabytes_is_cut_and_marked(berth: Berth) -> None:
    berth.tasks({"prompt": "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo next"})
    assert berth.lead() == 0
    text = berth.plane.text()
    assert text == "x" * 65536 + "\nnext\n"
    assert cut(berth) == 10_000_000 - 65536


def test_a_hundred_thousand_lines_arrive_in_order(berth: Berth) -> None:
    berth.tasks({"prompt": "seq 100000; seq 100000 >&2"})
    assert berth.lead() == 0
    wanted = "".join(f"{number}\n" for number in range(1, 100_001))
    assert berth.plane.text(stream="stdout") == wanted
    assert berth.plane.text(stream="stderr") == wanted
    assert cut(berth) == 0
    assert max(len(one["text"]) for one in berth.plane.of("log")) <= 32768


def test_output_past_the_tasks_bound_is_counted_and_the_next_task_has_its_own(berth: Berth) -> None:
    berth.plane.assignment["limits"]["task_output_bytes"] = 1000
    berth.tasks({"prompt": "seq -f '%09g' 1000"}, {"prompt": "echo second"})
    assert berth.lead() == 0
    first = berth.plane.text(task=0)
    assert len(first) == 1000
    assert cut(berth, task=0) == 9000
    assert berth.plane.text(task=1) == "second\n"


def test_endless_output_costs_the_runner_no_memory_and_the_end_is_told(berth: Berth) -> None:
    berth.plane.assignment["limits"]["task_output_bytes"] = MIB
    endless = {"prompt": "yes 'for ever and ever'", "timeout": 2.0, "continue_on_failure": True}
    berth.tasks(endless, {"prompt": "sleep 99"})
    started = berth.start()
    berth.plane.wait_for("task.started", task=1)
    assert len(berth.plane.text(task=0)) == MIB
    assert cut(berth, task=0) > MIB
    assert peak(started) < 40 * 1024
    assert "longer than 2 s" in berth.plane.of("task.finished", task=0)[0]["reason"]
    berth.plane.command("cancel")
    assert started.ended() == 143


def test_output_that_meets_the_end_of_a_task_is_not_lost(berth: Berth) -> None:
    berth.tasks(*({"prompt": f"printf last-{number}"} for number in range(20)))
    assert berth.lead() == 0
    assert [berth.plane.text(task=number) for number in range(20)] == [f"last-{number}" for number in range(20)]


def test_what_a_check_says_is_bounded_at_its_beginning(berth: Berth) -> None:
    berth.tasks({"prompt": "true", "check": "seq 100000; echo the end; exit 1"})
    assert berth.lead() == 1
    [check] = berth.plane.of("check.output")
    assert check["output"].endswith("100000\nthe end\n")
    assert len(check["output"]) <= 65536
    assert check["cut"] + len(check["output"]) == len("".join(f"{n}\n" for n in range(1, 100_001))) + len("the end\n")


def test_no_value_is_cut_in_two_where_what_a_check_says_is_bounded(berth: Berth) -> None:
    value = "made-up-value-" * 7
    berth.plane.secrets = {"KEY": value.encode()}
    berth.tasks({"prompt": "true", "check": """python3 -c 'import os; print(os.environ["KEY"] * 20_000)'; exit 1"""})
    assert berth.lead() == 1
    [check] = berth.plane.of("check.output")
    assert check["output"].endswith("***KEY***\n")
    assert value[-5:] not in check["output"]


def test_a_check_that_never_stops_talking_ends_with_its_task(berth: Berth) -> None:
    berth.tasks({"prompt": "true", "check": "yes", "timeout": 1.0})
    assert berth.lead() == 1
    assert "longer than 1 s" in berth.plane.of("task.finished")[0]["reason"]
    [check] = berth.plane.of("check.output")
    assert (check["passed"], check["exit_code"], check["output"][-4:]) == (False, None, "y\ny\n")
