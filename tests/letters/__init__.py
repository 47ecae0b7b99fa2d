"""A pipeline of another author for tests, on a queue of its own."""

import threading

from pydantic import BaseModel

from app.pipelines import Pipeline, PoolKind, Queue, QueueName, Work, stage

LETTERS = Queue(
    name=QueueName("letters"),
    purpose="letters of a text",
    pool=PoolKind.THREADS,
    concurrency=3,
    soft_limit_s=60,
    hard_limit_s=90,
    wait_target_s=5,
    max_replicas=2,
)


class LettersParams(BaseModel):
    """What to count."""

    text: str


class Letters(BaseModel):
    """What was counted, and where."""

    letters: int
    is_in_thread: bool


@stage("count_letters", queue=LETTERS, workspace=False)
def count_letters(params: LettersParams, work: Work) -> Letters:
    own = threading.current_thread()
    return Letters(letters=len(params.text), is_in_thread=own is not threading.main_thread())


PIPELINE = Pipeline(
    kind="letters",
    summary="The letters of a text",
    params=LettersParams,
    stages=(count_letters,),
)
