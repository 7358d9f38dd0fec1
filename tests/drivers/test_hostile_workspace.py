"""What an agent leaves behind to reach the machine through whoever looks at it: nothing does, and the work is taken."""

import os
import subprocess
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def git(place: Path, *words: str) -> str:
    identity = ("-c", "user.name=Someone", "-c", "user.email=someone@localhost", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *identity, *words], cwd=place, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def moored(moored: Any, tmp_path: Path) -> Any:
    """A run with a repository of one file."""
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "--quiet")
    (source / "README.md").write_text("read me\n")
    git(source, "add", "-A")
    git(source, "commit", "-qm", "first")
    git(source, "bundle", "create", "--quiet", str(tmp_path / "bundle"), "HEAD", "main")
    moored.plane.inputs[0] = (tmp_path / "bundle").read_bytes()
    moored.plane.assignment["workdir"] = "/workspace/project"
    moored.plane.assignment["repositories"] = [
        {"input": 0, "path": "/workspace/project", "commit": git(source, "rev-parse", "HEAD").strip(),
         "branch": "mooring/ses_1", "origin": None, "subpath": "", "read_only": False}
    ]  # fmt: skip
    return moored


def patch(moored: Any) -> bytes:
    return moored.plane.artifacts["changes.patch"]


CONFIGURATION = """
    run="touch $HOME/ran /outputs/ran $PWN; false"
    for key in core.fsmonitor core.pager core.editor core.sshCommand core.askPass diff.external \\
        diff.evil.command diff.evil.textconv filter.evil.clean filter.evil.smudge filter.evil.process \\
        merge.evil.driver gpg.program alias.add alias.diff-index alias.rev-parse uploadpack.packObjectsHook \\
        remote.origin.uploadpack remote.origin.url credential.helper sequence.editor; do
        git config "$key" "!$run"; git config --add "$key" "$run"
    done
    git config filter.evil.required true
    git config extensions.partialClone origin; git config remote.origin.promisor true
    git config core.worktree /etc
    git config core.hooksPath /workspace/hooks
    git config include.path /workspace/more
    mkdir /workspace/hooks
    for hook in pre-commit post-checkout post-index-change fsmonitor-watchman reference-transaction pre-auto-gc; do
        printf '#!/bin/sh\\n%s\\n' "$run" > /workspace/hooks/$hook; cp /workspace/hooks/$hook .git/hooks/ || true
        chmod +x /workspace/hooks/$hook
    done
    echo '* filter=evil diff=evil merge=evil' > .gitattributes
    echo more >> README.md
"""


async def test_commands_in_a_repositorys_configuration_are_never_run(moored: Any) -> None:
    outside = Path(f"/tmp/mooring-reached-{token_hex(8)}")
    moored.plane.tasks({"prompt": f"PWN={outside}\n{CONFIGURATION}\nrm -f $HOME/ran /outputs/ran"})
    seen = await moored.over()
    assert seen.exit_code == 0
    assert b"+more" in patch(moored)
    assert "outputs/ran" not in moored.plane.artifacts
    assert not (moored.place.home / "ran").exists()
    await moored.driver.remove(moored.spec.run)
    assert outside.name not in os.listdir("/tmp")  # noqa: PTH208 - a list, at once


OUTPUTS = """
    cd /outputs; echo fine > fine.txt
    ln -s /etc/passwd passwd; ln -s /proc/1/environ environ; ln -s / root; ln -s self self; ln fine.txt hard.txt
    mkfifo fifo; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
    mknod null c 1 3 || echo no device; ln /etc/passwd stolen || echo no hard link
    truncate -s 7T huge; mkdir closed; echo in > closed/in; chmod 0 closed
    touch "$(printf 'line\\nbreak')" "$(printf 'escape\\033[31m')" "$(printf 'bytes\\377')"
    deep=.; for i in $(seq 70); do deep=$deep/d; done; mkdir -p $deep; echo far > $deep/far
    mkdir zmany; cd zmany; i=0; while [ $i -lt 300 ]; do ln -s x $i; i=$((i + 1)); done
"""


async def test_only_regular_files_of_outputs_are_taken_and_none_is_followed(moored: Any) -> None:
    moored.plane.tasks({"prompt": OUTPUTS})
    seen = await moored.over()
    assert seen.exit_code == 0
    assert moored.plane.artifacts == {"outputs/fine.txt": b"fine\n", "outputs/hard.txt": b"fine\n"}
    notes = moored.plane.text(stream="runner")
    for name in ("passwd", "environ", "root", "self"):
        assert f"/outputs/{name} was not taken: it is a symbolic link" in notes
    for word in ("fifo was not taken: it is a fifo", "sock was not taken: it is a socket", "closed was not taken"):
        assert word in notes
    assert notes.count("its name is not printable") == 3
    assert "deeper than 64" in notes
    assert "\x1b" not in notes
    assert "more of /outputs were not taken either" in notes
    assert notes.count("\n") <= 102
    said = moored.plane.text(stream="stdout")
    assert ("no device" in said, "no hard link" in said) == (True, True)
    [huge] = moored.plane.of("artifact", name="outputs/huge")
    assert (huge["size"], "larger than" in huge["withheld"], "sha256" in huge) == (7 << 40, True, False)


@pytest.mark.parametrize(
    "replaced",
    [
        "mv .git /outputs/g; ln -s /outputs/g .git",
        "mv .git $HOME/g; echo gitdir: $HOME/g > .git",
        "git config core.bare true",
        "echo /usr > .git/objects/info/alternates",
    ],
)
async def test_a_repository_put_elsewhere_still_gives_its_patch_and_its_commits(moored: Any, replaced: str) -> None:
    work = f"echo mine > mine.txt; git add mine.txt; git commit -qm 'take it'; echo more >> README.md\n{replaced}\n"
    moored.plane.tasks({"prompt": f"{work}rm -rf /outputs/nothing"})
    seen = await moored.over()
    assert seen.exit_code == 0
    assert b"+mine" in patch(moored)
    assert b"+more" in patch(moored)
    assert [one["title"] for one in moored.plane.exit["commits"]] == ["take it"]
    assert "commits.bundle" in moored.plane.artifacts


@pytest.mark.parametrize(
    "replaced",
    [
        "rm -rf .git; ln -s /proc/1/root .git",
        "rm -rf .git; echo 'gitdir: /etc' > .git",
        "rm -rf .git; mkfifo .git",
        "rm .git/HEAD; mkfifo .git/HEAD",
        "rm -rf .git/objects; ln -s / .git/objects",
        "find .git/objects -type f -exec sh -c 'chmod +w $0; echo x > $0' {} ';'",
        "chmod 0 .git",
    ],
)
async def test_a_repository_that_is_none_any_more_is_refused_clearly(moored: Any, replaced: str) -> None:
    moored.plane.tasks({"prompt": f"echo kept > /outputs/kept\n{replaced}\n"})
    seen = await moored.over()
    assert seen.exit_code == 0
    assert list(moored.plane.artifacts) == ["outputs/kept"]
    [error] = moored.plane.of("error")
    assert error["reason"].startswith("/workspace/project: its changes were not taken: git ")


async def test_what_is_too_large_for_a_patch_costs_itself_alone(moored: Any) -> None:
    script = """
        echo small > small.txt; truncate -s 2T new.bin; truncate -s 65M committed.bin
        git add committed.bin; git commit -qm 'add much'; truncate -s 65M README.md; rm committed.bin
        truncate -s 65M committed.bin
    """
    moored.plane.tasks({"prompt": script})
    seen = await moored.over()
    assert seen.exit_code == 0
    assert b"+small" in patch(moored)
    assert len(patch(moored)) < 1000
    notes = moored.plane.text(stream="runner")
    for name in ("README.md is not in the patch", "committed.bin is not in the patch", "(the largest is new.bin)"):
        assert name in notes
    assert moored.plane.exit["patch"]["files"] == 1
    assert "commits.bundle" in moored.plane.artifacts


async def test_what_git_cannot_take_costs_itself_alone_and_is_named(moored: Any) -> None:
    script = """
        echo '*.u working-tree-encoding=UTF-16LE-BOM' > .gitattributes; echo odd1 > a.u; echo plain > plain.txt
        git init -q empty; echo x > empty/x; git init -q other; cd other; git commit -q --allow-empty -m one
    """
    moored.plane.tasks({"prompt": script})
    seen = await moored.over()
    assert seen.exit_code == 0
    assert b"+plain" in patch(moored)
    assert b"+odd1" in patch(moored)
    notes = moored.plane.text(stream="runner")
    assert "failed to encode 'a.u'" in notes
    assert "'empty/' does not have a commit" in notes
    assert "other is a repository of its own" in notes


async def test_a_task_that_leaves_half_its_home_unusable_is_still_harvested(moored: Any) -> None:
    moored.plane.tasks({"prompt": "echo more >> README.md; chmod 0 $HOME; rm -rf /tmp/* || true"})
    seen = await moored.over()
    assert seen.exit_code == 0
    assert b"+more" in patch(moored)
    assert not [name for name in moored.place.home.iterdir() if name.name.startswith("mooring-")]
