"""A process that forks others which collect run folders: what they need is imported once.

Reads lines of JSON and answers each with one: a list of tasks `[URL, TIMES, FOLDER, ...]` starts a
process for each, the answer are their ids; `"wait"` waits for all of them, the answer are their
exit codes.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from assume_rl.results.gather import gather
from assume_rl.results.study_database import StudyDatabase
from assume_rl.results.tables import load_unit_kinds


def main() -> None:
    load_unit_kinds()
    started: list[int] = []
    for line in sys.stdin:
        order = json.loads(line)
        if order == "wait":
            answer = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in started]
            started.clear()
        else:
            answer = [fork(*task) for task in order]
            started += answer
        print(json.dumps(answer), flush=True)


def fork(url: str, times: int, *folders: str) -> int:
    """Id of a new process that collects all folders, so many times."""
    pid = os.fork()
    if pid == 0:
        try:
            with StudyDatabase(url) as database:
                for folder in list(folders) * times:
                    database.collect(gather(Path(folder)))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


if __name__ == "__main__":
    main()
