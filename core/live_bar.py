"""The live bar: how far a run has come. It goes to stderr, and only to a terminal."""

from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from core.model import CheckDone, CheckStarted, Event, RunDone
from core.text import Texts

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class LiveBar:
    """A progress bar on a terminal while checks run; nothing at all elsewhere."""

    def __init__(self, stream: TextIO, texts: Texts, total: int) -> None:
        self._texts = texts
        self._stream = stream
        self._total = total
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._stream.isatty():
            # rich costs 60 ms of imports: only someone who watches pays for it.
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

            columns = (
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.description}", markup=False),
            )
            self._progress = Progress(*columns, console=Console(file=self._stream), transient=True)
            self._task = self._progress.add_task("", total=self._total)
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, event: Event) -> None:
        if self._progress is None or self._task is None:
            return
        match event:
            case CheckStarted(check=check):
                self._progress.update(self._task, description=self._texts.say(f"check.{check}"))
            case CheckDone():
                self._progress.advance(self._task)
            case RunDone():
                self._progress.update(self._task, description="")
