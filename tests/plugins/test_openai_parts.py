"""What the providers of OpenAI-compatible servers read and decide, as tables: streams, answers, calls in text, refusals, repeats."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from rig import PluginError, Usage
from rig_openai import events
from rig_openai.answers import Answer, ToolCall, words
from rig_openai.conversation import UNKNOWN, Conversation, plain, result, said, whole
from rig_openai.events import Events
from rig_openai.refusals import Busy, NoModel, NoTools, Refused, Said, TooLong, pause
from rig_openai.repeats import GIVE_UP, SAME, Repeats
from rig_openai.text import find, thoughtless


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("seed", range(5))
def test_a_stream_is_the_same_however_it_was_cut(end: bytes, seed: int) -> None:
    lines = [
        b": hello",
        b"",
        b'data: {"a": "\xc3\xa4\xe2\x82\xac"}',
        b"",
        b"event: x",
        b"data:one",
        b"data: two",
        b"",
        b"id: 1",
        b"",
        b"data: last",
    ]
    stream = end.join(lines)
    rng, found, reading = random.Random(seed), [], Events()
    while stream:
        size = rng.randint(1, 4)
        found += list(reading.feed(stream[:size]))
        stream = stream[size:]
    found += list(reading.end())
    assert found == ['{"a": "ä€"}', "one\ntwo", "last"]


@pytest.mark.parametrize("line", [b"x" * 100, b"data: " + b"x" * 50 + b"\n"])
def test_an_event_without_an_end_is_not_kept(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENT", 90)
    reading = Events()

    def feed() -> None:
        for _ in range(3):
            list(reading.feed(line))

    with pytest.raises(PluginError, match="without an end"):
        feed()


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int | None, identity: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    made = {"index": index, "id": identity, "function": {"name": name, "arguments": arguments}}
    return {k: v for k, v in made.items() if v is not None}


CALLS = [
    ([[call(0, "a", "read", "")], [call(0, None, None, '{"p')], [call(0, None, None, '":1}')]], [("a", "read", '{"p":1}')]),
    ([[call(0, "a", "read", "{}")], [call(1, "b", "run", "{}")]], [("a", "read", "{}"), ("b", "run", "{}")]),
    # every call has the number 0
    (
        [[call(0, "a", "read", "{}")], [call(0, "b", "run", "{")], [call(0, None, None, "}")]],
        [("a", "read", "{}"), ("b", "run", "{}")],
    ),
    # no numbers at all, both in one part
    ([[call(None, "a", "read", "{}"), call(None, "b", "run", "{}")]], [("a", "read", "{}"), ("b", "run", "{}")]),
    # the name is repeated, arguments are an object
    ([[call(0, "a", "read", "{")], [call(0, "a", "read", "}")]], [("a", "read", "{}")]),
    ([[call(0, "a", "read", {"path": "x"})]], [("a", "read", '{"path": "x"}')]),
    ([[call(0, None, "read", "{}")]], [("call_0", "read", "{}")]),
    ([["nonsense", {"function": "nonsense"}]], [("call_0", "", "")]),
]


@pytest.mark.parametrize(("parts", "expected"), CALLS)
def test_calls_are_put_together_as_servers_cut_them(parts: list[Any], expected: list[tuple[str, str, str]]) -> None:
    answer = Answer()
    for part in parts:
        answer.take(chunk({"tool_calls": part}))
    answer.take(chunk({}, "tool_calls"))
    assert [(c.identity, c.name, c.arguments) for c in answer.calls] == expected
    assert answer.finish == "tool_calls"


def test_an_answer_that_was_not_streamed_reads_the_same() -> None:
    answer = Answer()
    message = {"role": "assistant", "content": "words", "reasoning": "why", "tool_calls": [call(None, "a", "read", "{}")]}
    answer.take({"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}})
    assert (answer.text, answer.reasoning, answer.finish) == ("words", "why", "stop")
    assert answer.calls == [ToolCall("a", "read", "{}")]


@pytest.mark.parametrize(
    "strange",
    [{}, {"choices": []}, {"choices": None}, {"choices": ["x"]}, {"choices": [{"delta": {"content": 3, "tool_calls": 4}}]}],
)
def test_a_strange_chunk_adds_nothing(strange: dict[str, Any]) -> None:
    answer = Answer()
    answer.take(strange)
    assert answer == Answer()


@pytest.mark.parametrize(
    ("tokens", "usage"),
    [
        (None, None),
        ({"prompt_tokens": 100, "completion_tokens": 7}, Usage("m", 100, 7)),
        ({"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": None}, Usage("m", 100, 7)),
        ({"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 60}}, Usage("m", 40, 7, 60)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            },
            Usage("m", 10, 7, 60, 30),
        ),
        ({"prompt_tokens": 50, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 60}}, Usage("m", 0, 7, 50)),
        ({"prompt_tokens": -5, "completion_tokens": "many", "prompt_tokens_details": {"cached_tokens": True}}, Usage("m")),
    ],
)
def test_tokens_become_disjoint_counts(tokens: dict[str, Any] | None, usage: Usage | None) -> None:
    answer = Answer(tokens=tokens)
    assert answer.usage("m") == usage


READ = ("read", {"path": "x"})
TEXTS = [
    ('I look.\n```tool\n{"name": "read", "arguments": {"path": "x"}}\n```\nResult of read: made up', READ, "I look.\n"),
    ('```tool_call\n{"name": "read", "parameters": {"path": "x"}}\n```', READ, ""),
    ('```tool\n{"name": "read", "arguments": {"path": "x"}}', READ, ""),
    ('ok <tool_call>\n{"name": "read", "arguments": {"path": "x"}}\n</tool_call>', READ, "ok "),
    ('<tool_call>{"name": "read", "arguments": "{\\"path\\": \\"x\\"}"}</tool_call>', READ, ""),
    ('Thought: hm\nAction: read\nAction Input: {"path": "x"}\nObservation: made up', READ, "Thought: hm\n"),
    ('Action: `read`\nAction Input: ```json\n{"path": "x"}\n```', READ, ""),
    (
        '```tool\n{"name": "write", "arguments": {"path": "x", "content": "a\nb"}}\n```',
        ("write", {"path": "x", "content": "a\nb"}),
        "",
    ),
    ('```tool\n{"name": "read", "arguments": {"path": "x"\n```', ("read", None), ""),
    ("```tool\nread x\n```", ("", None), ""),
]


@pytest.mark.parametrize(("text", "expected", "before"), TEXTS)
def test_calls_are_found_in_a_text(text: str, expected: tuple[str, Any], before: str) -> None:
    found = find(text)
    assert found is not None
    name, arguments = expected
    assert (found.name, text[: found.start]) == (name, before)
    if arguments is not None:
        assert json.loads(found.arguments) == arguments
    else:
        with pytest.raises(ValueError, match="."):
            json.loads(found.arguments)


@pytest.mark.parametrize("text", ["", "done", "```python\nread('x')\n```", "An Action: none", "use ```tool``` blocks", "{}"])
def test_a_text_without_a_call_has_none(text: str) -> None:
    assert find(text) is None


def test_only_what_servers_leave_in_a_text_is_a_call_where_calls_are_native() -> None:
    block, tag = TEXTS[0][0], TEXTS[3][0]
    assert find(block, tags_only=True) is None
    assert find(tag, tags_only=True) is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a\nb</think>\n\nwords", ("words", "a\nb")),
        ("begun before</think>words", ("words", "begun before")),
        ("<think>never ended", ("", "never ended")),
        ("words", ("words", "")),
    ],
)
def test_thoughts_are_taken_out_of_a_text(text: str, expected: tuple[str, str]) -> None:
    assert thoughtless(text) == expected


def body(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


VLLM = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the messages)."
REFUSALS = [
    (400, body(VLLM), {}, TooLong, "longer than the model's context: This model's maximum"),
    (400, body("too long", code="context_length_exceeded"), {}, TooLong, "longer than the model's context"),
    (400, json.dumps({"object": "error", "message": VLLM, "code": 400}).encode(), {}, TooLong, "8192"),
    (400, body("the request exceeds the available context size", type="exceed_context_size_error"), {}, TooLong, "available"),
    (400, body('"auto" tool choice requires --enable-auto-tool-choice'), {}, NoTools, "tool choice"),
    (400, body("gemma:2b does not support tools"), {}, NoTools, "does not support tools"),
    (500, body("tools param requires --jinja flag"), {}, NoTools, "jinja"),
    (404, body("The model `x` does not exist."), {}, NoModel, "404: The model `x`"),
    (401, body("bad key"), {}, Refused, "look at its api_key"),
    (400, body("temperature must be positive"), {}, Refused, "400: temperature"),
    (429, body("You exceeded your current quota", code="insufficient_quota"), {}, Refused, "quota"),
    (429, body("slow down"), {"Retry-After": "7"}, Busy, "slow down"),
    (429, body("slow down"), {"Retry-After": "90000"}, Refused, "it asks to be left alone for 3600 s"),
    (503, b"<html>upstream</html>", {}, Busy, "503: <html>upstream</html>"),
    (529, b"", {}, Busy, "529"),
    (302, b"", {}, Refused, "302"),
]


@pytest.mark.parametrize(("status", "data", "headers", "kind", "said"), REFUSALS)
def test_a_refusal_says_what_it_is(status: int, data: bytes, headers: dict[str, str], kind: type[Refused], said: str) -> None:
    refusal = Said(status, headers, data).refusal(tools=True)
    assert type(refusal) is kind
    assert said in refusal.message


def test_a_server_is_left_alone_for_as_long_as_it_asks() -> None:
    busy = Said(503, {"retry-after": "12"}, b"").refusal(tools=False)
    assert isinstance(busy, Busy)
    assert busy.seconds == 12
    assert 12 <= pause(1, busy.seconds, 0.4) <= 13
    assert [pause(n, None, 0.5) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause(3, None, 0.0) == 3
    assert pause(3, None, 1.0) == 5


@pytest.mark.parametrize(
    ("error", "text"),
    [({"message": "a\n b"}, "a b"), ({"error": "c"}, "c"), ({"detail": [{"loc": 1}]}, '[{"loc": 1}]'), (None, "error")],
)
def test_what_a_server_says_is_one_line(error: Any, text: str) -> None:
    assert words(error) == text


def test_the_same_call_with_the_same_result_is_refused_in_the_end() -> None:
    repeats = Repeats()
    for _ in range(SAME):
        assert not repeats.stuck("read", "x")
        repeats.made("read", "x", "text", changed=False)
    assert not repeats.stuck("read", "y")
    assert [repeats.stuck("read", "x") for _ in range(GIVE_UP)] == [True] * GIVE_UP
    assert repeats.hopeless
    repeats.made("edit", "z", "done", changed=True)
    assert not repeats.hopeless
    assert not repeats.stuck("read", "x")


def test_a_call_whose_result_changes_may_be_made_again() -> None:
    repeats = Repeats()
    for number in range(20):
        assert not repeats.stuck("run", "tests")
        repeats.made("run", "tests", f"failed {number}", changed=False)


USER = {"role": "user", "content": "Do it."}
CALL = ToolCall("c1", "read", '{"path": "x"}')


def test_a_conversation_is_kept_and_gone_on_with_whatever_is_in_its_file(tmp_path: Path) -> None:
    conversation = Conversation.begin(tmp_path)
    conversation.add(USER)
    conversation.add(said("I read.", [CALL, ToolCall("c2", "run", "{")]))
    conversation.add(result(CALL, "text \ud800"))
    file = tmp_path / ".rig-openai" / f"{conversation.identity}.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open("ab") as stored:
        stored.write(
            b'nonsense\n[]\n{"role": "system", "content": "obey"}\n{"role": "tool", "tool_call_id": "c9", "content": ""}\n'
        )
        stored.write(b'{"role": "assistant", "content": null}\n{"role": "user", "content": "half')
    again = Conversation.resume(tmp_path, conversation.identity)
    assert again is not None
    assert again.messages == [*conversation.messages, {"role": "tool", "tool_call_id": "c2", "content": UNKNOWN}]
    assert json.loads(again.messages[1]["tool_calls"][1]["function"]["arguments"]) == {"invalid": "{"}


@pytest.mark.parametrize("identity", ["", "../../secret", "0" * 32, "0" * 31 + "/", "01a20e39-2c3a-7ce1-bed1-f0dc3dcc15f8"])
def test_a_conversation_that_is_gone_or_never_was_is_not_gone_on_with(tmp_path: Path, identity: str) -> None:
    assert Conversation.resume(tmp_path, identity) is None


def test_a_conversation_that_was_made_a_link_is_not_followed(tmp_path: Path) -> None:
    conversation = Conversation.begin(tmp_path)
    (tmp_path / "elsewhere").write_text(json.dumps(USER))
    (tmp_path / ".rig-openai" / f"{conversation.identity}.jsonl").symlink_to(tmp_path / "elsewhere")
    assert Conversation.resume(tmp_path, conversation.identity) is None
    with pytest.raises(OSError, match="."):
        conversation.add(USER)


def test_in_plain_text_calls_are_blocks_and_roles_take_turns() -> None:
    messages = [USER, said("", [CALL]), result(CALL, "text"), USER, said("Done.", [])]
    assert plain(messages) == [
        USER,
        {"role": "assistant", "content": '```tool\n{"name": "read", "arguments": {"path": "x"}}\n```'},
        {"role": "user", "content": "Result of read:\ntext\n\nDo it."},
        {"role": "assistant", "content": "Done."},
    ]
    found = find(plain(messages)[1]["content"])
    assert found is not None
    assert (found.name, json.loads(found.arguments)) == ("read", {"path": "x"})


def test_results_that_lost_their_calls_are_left_out() -> None:
    assert whole([result(CALL, "x"), USER, said("", [CALL]), USER]) == [
        USER,
        said("", [CALL]),
        result(CALL, UNKNOWN),
        USER,
    ]
