"""What waits for a person: questions and all else."""

from rig.wire.operations.operation import LIMIT, OFFSET, READ, WRITE, Operation, Parameter

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_attention",
        "GET",
        ("/api/v1/attention",),
        "What waits for a person, oldest first",
        "attention",
        READ,
        response="Attention",
        query=(LIMIT, OFFSET),
        mcp=True,
    ),
    Operation(
        "ask_question",
        "POST",
        ("/api/leases/{id}/questions",),
        "Ask a person; the issue is blocked until there is an answer",
        "attention",
        WRITE,
        "NewQuestion",
        "QuestionAsked",
        201,
        attempt=True,
    ),
    Operation(
        "get_question",
        "GET",
        ("/api/v1/questions/{id}",),
        "A question with its answer",
        "attention",
        READ,
        response="Question",
        query=(Parameter("wait", "seconds to wait for its end, at most 60", "integer", minimum=0, maximum=60, default=0),),
        attempt=True,
    ),
    Operation(
        "answer_question",
        "POST",
        ("/api/v1/questions/{id}/answer",),
        "Answer a question, or decide about anything else of Attention by its id",
        "attention",
        WRITE,
        "Answer",
        "Answered",
    ),
)
