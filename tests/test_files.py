"""Files that are there whole, or not at all."""

from pathlib import Path

import pytest

from assume_rl.errors import PolicyError, ResultsError
from assume_rl.files import is_part, replacing, write_file


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.json"
    with replacing(file, ResultsError) as part:
        part.write_text("half")
        assert not file.exists()
        assert is_part(part.name)
    assert file.read_text() == "half"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_fails_leaves_the_earlier_one_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_file(file, b"first", ResultsError)

    def write_half() -> None:
        with replacing(file, ResultsError) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("failure", [PolicyError, ResultsError])
def test_what_cannot_be_written_is_the_callers_error(
    tmp_path: Path, failure: type[PolicyError | ResultsError]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(failure, match=r"a' cannot be written: (File exists|Not a directory)"):
        write_file(tmp_path / "file" / "a", b"", failure)
