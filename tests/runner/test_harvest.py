"""What a run leaves behind, whatever an agent wrote into its repository and its outputs."""

import os
import subprocess
from pathlib import Path

import pytest

from runner.conftest import Berth

pytestmark = pytest.mark.slow


def git(place: Path, *words: str) -> str:
    identity = ("-c", "user.name=Someone", "-c", "user.email=someone@localhost", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *identity, *words], cwd=place, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(berth: Berth, number: int = 0, **files: str) -> str:
    """A repository as an input of the run; gives its commit."""
    place = berth.place / f"source-{number}"
    place.mkdir()
    git(place, "init", "--quiet")
    for name, text in {"README.md": "read me\n", ".gitignore": "ignored\n", **files}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    git(place, "add", "-A", "-f")
    git(place, "commit", "-qm", "first")
    git(place, "bundle", "create", "--quiet", str(berth.place / "bundle"), "HEAD", "main")
    berth.plane.inputs[number] = (berth.place / "bundle").read_bytes()
    return git(place, "rev-parse", "HEAD")


def checked_out(berth: Berth) -> str:
    commit = repository(berth)
    berth.assign(
        repositories=[
            {"input": 0, "path": str(berth.workdir), "commit": commit, "branch": "mooring/ses_1",
             "origin": "https://someone:password@host.example/team/repo.git", "subpath": "", "read_only": False}
        ]
    )  # fmt: skip
    return commit


def test_the_repository_is_checked_out_on_its_branch_without_credentials(berth: Berth) -> None:
    checked_out(berth)
    berth.tasks(
        {"prompt": "git branch --show-current; git remote get-url origin; git config user.email; cat README.md"}
    )
    assert berth.lead() == 0
    assert berth.plane.text().splitlines() == [
        "mooring/ses_1", "https://host.example/team/repo.git", "mooring@localhost", "read me",
    ]  # fmt: skip


def test_the_patch_holds_commits_changes_and_new_files(berth: Berth) -> None:
    checked_out(berth)
    script = """
        echo more >> README.md; git commit -qam 'say more'
        echo new > new.txt; echo no > ignored; printf '\\000\\001' > binary; echo again >> README.md
    """
    berth.tasks({"prompt": script})
    assert berth.lead() == 0
    fresh = berth.place / "source-0"
    (berth.place / "p").write_bytes(berth.plane.artifacts["changes.patch"])
    git(fresh, "apply", "--index", str(berth.place / "p"))
    assert (fresh / "README.md").read_text() == "read me\nmore\nagain\n"
    assert (fresh / "binary").read_bytes() == b"\0\1"
    assert not (fresh / "ignored").exists()
    (berth.place / "b").write_bytes(berth.plane.artifacts["commits.bundle"])
    git(fresh, "fetch", "-q", str(berth.place / "b"), "refs/heads/0:refs/heads/taken")
    report = berth.plane.exit
    assert report is not None
    assert report["patch"] == {"files": 3, "insertions": 3, "deletions": 0}
    assert [one["title"] for one in report["commits"]] == ["say more"]
    assert git(fresh, "rev-parse", "taken") == report["commits"][0]["id"]


def test_nothing_changed_gives_no_artifact_and_nothing_of_the_runner_stays(berth: Berth) -> None:
    checked_out(berth)
    berth.tasks({"prompt": "true", "check": "true"})
    assert berth.lead() == 0
    assert berth.plane.artifacts == {}
    assert [path for place in (berth.place, berth.home) for path in place.glob("mooring-*")] == []
    assert berth.plane.exit is not None
    assert berth.plane.exit["commits"] == []


def test_outputs_are_taken_without_following_anything(berth: Berth) -> None:
    script = """
        cd "$MOORING_OUTPUTS"; mkdir -p deep/er; echo a > a.txt; echo b > 'deep/er/b c.txt'
        ln -s /etc/passwd link; mkfifo fifo; ln -s /etc dir; mknod device c 1 5 || true
    """
    berth.tasks({"prompt": script})
    assert berth.lead() == 0
    assert berth.plane.artifacts == {"outputs/a.txt": b"a\n", "outputs/deep/er/b%20c.txt": b"b\n"}
    notes = berth.plane.text(stream="runner")
    assert f"{berth.outputs}/link was not taken: it is a symbolic link" in notes
    assert "fifo was not taken: it is a fifo" in notes
    assert "dir was not taken: it is a symbolic link" in notes
    if os.geteuid() == 0:
        assert "device was not taken: it is a device" in notes


HOSTILE = """
    cat >> .git/config <<'END'
[core]
	fsmonitor = "sh -c 'echo fsmonitor >> $HOME/ran'"
	hooksPath = /tmp/nowhere
	pager = sh -c 'echo pager >> $HOME/ran'
	worktree = /etc
[diff "evil"]
	command = sh -c 'echo diff >> $HOME/ran'
	textconv = sh -c 'echo textconv >> $HOME/ran'
[diff]
	external = sh -c 'echo external >> $HOME/ran'
[filter "evil"]
	clean = sh -c 'echo clean >> $HOME/ran; exit 1'
	smudge = false
	required = true
[alias]
	diff-index = !false
	add = !false
END
    echo '* filter=evil diff=evil' > .gitattributes
    echo more >> README.md
"""


def test_a_hostile_configuration_neither_runs_nor_spoils_the_patch(berth: Berth) -> None:
    checked_out(berth)
    berth.tasks({"prompt": HOSTILE + '\necho out > "$MOORING_OUTPUTS/o"\nrm -f "$HOME/ran"'})
    assert berth.lead() == 0
    assert b"+more" in berth.plane.artifacts["changes.patch"]
    assert berth.plane.artifacts["outputs/o"] == b"out\n"
    assert not (berth.home / "ran").exists()


def test_a_repository_that_is_gone_costs_the_patch_alone(berth: Berth) -> None:
    checked_out(berth)
    berth.tasks({"prompt": 'rm -rf .git; echo out > "$MOORING_OUTPUTS/o"'})
    assert berth.lead() == 0
    assert list(berth.plane.artifacts) == ["outputs/o"]
    assert "its changes were not taken" in berth.plane.of("error")[0]["reason"]


def test_artifacts_over_the_limits_are_named(berth: Berth) -> None:
    berth.plane.assignment["limits"].update(artifacts=2, artifact_bytes=10)
    berth.tasks({"prompt": 'cd "$MOORING_OUTPUTS"; echo 0123456789 > a; echo 1 > b; echo 2 > c; echo 3 > d'})
    assert berth.lead() == 0
    assert berth.plane.of("artifact", name="outputs/a")[0]["withheld"] == "it is larger than 10 bytes"
    assert set(berth.plane.artifacts) == {"outputs/b", "outputs/c"}
    assert "1 entries" in berth.plane.of("error")[0]["reason"]


def test_skills_are_installed_in_both_places(berth: Berth) -> None:
    commit = repository(berth, 1, **{"skills/review/SKILL.md": "---\nname: review\n---\n", "skills/review/s/x.sh": "x"})
    berth.assign(
        skills=[
            {"name": "review", "input": 1, "commit": commit, "subpath": "skills/review", "text": None},
            {"name": "plain", "input": None, "commit": None, "subpath": "", "text": "plain words\n"},
        ],
        instructions="be kind",
    )
    berth.tasks({"prompt": "cd; cat .agents/skills/*/SKILL.md; cat .claude/skills/review/s/x.sh .gemini/GEMINI.md"})
    assert berth.lead() == 0
    assert berth.plane.text() == "plain words\n---\nname: review\n---\nxbe kind"


def test_a_skill_without_its_file_is_named(berth: Berth) -> None:
    commit = repository(berth, 1)
    berth.assign(skills=[{"name": "review", "input": 1, "commit": commit, "subpath": "skills/review", "text": None}])
    berth.tasks({"prompt": "echo never"})
    assert berth.lead() == 1
    assert berth.plane.exit is not None
    assert berth.plane.exit["reason"] == "skill review: there is no SKILL.md in skills/review"
    assert berth.plane.of("task.started") == []


def withheld(berth: Berth) -> dict[str, str]:
    return {one["name"]: one["withheld"] for one in berth.plane.of("artifact") if "withheld" in one}


@pytest.mark.parametrize(
    ("script", "held"),
    [
        ('echo "key=$KEY" >> README.md', ["changes.patch"]),
        ('printf "\\000\\001%s\\000" "$KEY" > binary', ["changes.patch"]),
        ('echo "$KEY" > a; git add a; git commit -qm a; git rm -q a; git commit -qm b', ["commits.bundle"]),
        ('git commit -q --allow-empty -m "it is $KEY"', ["commits.bundle"]),
        ('echo "$KEY" > "$MOORING_OUTPUTS/o"', ["outputs/o"]),
        ('printf "x%s" "$KEY" | base64 > "$MOORING_OUTPUTS/o"', ["outputs/o"]),
        ('echo fine > "$MOORING_OUTPUTS/o"; echo fine >> README.md', []),
    ],
)
def test_what_would_hold_a_secret_is_withheld_and_says_so(berth: Berth, script: str, held: list[str]) -> None:
    checked_out(berth)
    berth.plane.secrets = {"KEY": b"made-up-secret/value"}
    berth.tasks({"prompt": script})
    assert berth.lead() == 0
    assert withheld(berth) == dict.fromkeys(held, "it holds the value of KEY")
    assert not set(held) & set(berth.plane.artifacts)
    assert all(b"made-up-secret" not in content for content in berth.plane.artifacts.values())


def test_a_secret_in_the_patch_withholds_the_commits_that_made_it(berth: Berth) -> None:
    checked_out(berth)
    berth.plane.secrets = {"KEY": b"made-up-secret/value"}
    berth.tasks(
        {"prompt": 'echo "$KEY" >> README.md; git commit -qam "no word of it"; echo fine > "$MOORING_OUTPUTS/o"'}
    )
    assert berth.lead() == 0
    assert set(withheld(berth)) == {"changes.patch", "commits.bundle"}
    assert set(berth.plane.artifacts) == {"outputs/o"}
    assert berth.plane.exit is not None
    assert berth.plane.exit["commits"][0]["title"] == "no word of it"


@pytest.mark.parametrize("before", [190, 1990])
def test_no_value_is_cut_in_two_where_a_title_is_shortened(berth: Berth, before: int) -> None:
    checked_out(berth)
    berth.plane.secrets = {"KEY": b"made-up-secret/value"}
    berth.tasks({"prompt": f'echo 1 >> README.md; git commit -qam "$(printf %{before}s | tr " " x)$KEY-end"'})
    assert berth.lead() == 0
    assert berth.plane.exit is not None
    [commit] = berth.plane.exit["commits"]
    assert commit["title"] == ("x" * before + "***KEY***-end")[:200]


@pytest.mark.parametrize("before", range(930, 970, 5))
def test_no_value_is_cut_in_two_in_what_git_says(berth: Berth, before: int) -> None:
    checked_out(berth)
    berth.plane.secrets = {"KEY": b"made-up-secret/value"}
    berth.tasks({"prompt": f'git config core.filemode "$(printf %{before}s | tr " " x)$KEY-end"'})
    assert berth.lead() == 0
    told = [text for event in berth.plane.events.values() if "bad boolean config value" in (text := repr(event))]
    assert "xxx" in "".join(told)
    # Not even the first letter of it follows.
    assert "xm" not in "".join(told)


def test_of_a_title_of_characters_without_width_no_more_is_told(berth: Berth) -> None:
    checked_out(berth)
    berth.plane.secrets = {"KEY": b"made-up-secret/value"}
    berth.tasks({"prompt": "echo 1 >> README.md; git commit -qam \"a$(printf '%9999s' | sed 's/ /\u200b/g')\""})
    assert berth.lead() == 0
    assert berth.plane.exit is not None
    assert berth.plane.exit["commits"][0]["title"] == "a" + "\u200b" * 199


def test_a_file_named_after_a_secret_is_not_taken(berth: Berth) -> None:
    berth.plane.secrets = {"KEY": b"made-up-value"}
    berth.tasks({"prompt": 'cd "$MOORING_OUTPUTS"; mkdir "d-$KEY"; echo 1 > "d-$KEY/f"; echo 2 > fine'})
    assert berth.lead() == 0
    assert set(berth.plane.artifacts) == {"outputs/fine"}
    assert not any("made-up-value" in path for path in berth.plane.asked)
    assert "d-***KEY***/f was not taken: its name holds the value of a secret" in berth.plane.text(stream="runner")
