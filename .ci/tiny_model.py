"""Writes a small language model with random weights that a real llama-server loads and serves.

Called by `real-engine`; needs the packages `gguf` and `numpy`. The text such a model generates is
noise, but it is cut into tokens, counted, streamed and bounded by the context like any other.

    tiny_model.py OUT.gguf [--seed N] [--layers N] [--width N] [--context N]

The same options give the same bytes.
"""

import argparse
import os

import gguf
import numpy

HEADS = 4


def main() -> None:
    options = parse_arguments()
    unfinished = f"{options.out}.part"
    write_model(unfinished, options)
    os.replace(unfinished, options.out)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", metavar="OUT.gguf", help="file to write; replaced when whole")
    parser.add_argument("--seed", type=int, default=0, help="other seed, other model (default %(default)s)")
    parser.add_argument("--layers", type=int, default=2, help="transformer blocks (default %(default)s)")
    parser.add_argument("--width", type=int, default=64, help="embedding length, a multiple of 32 (default %(default)s)")
    parser.add_argument("--context", type=int, default=4096, help="tokens it was 'trained' for (default %(default)s)")
    options = parser.parse_args()
    if options.width % 32:
        parser.error(f"--width {options.width} is not a multiple of 32")
    return options


def write_model(path: str, options: argparse.Namespace) -> None:
    vocabulary = make_vocabulary()
    file = gguf.GGUFWriter(path, "llama")
    write_shape(file, options, len(vocabulary))
    write_tokenizer(file, vocabulary)
    for name, values in make_tensors(options, len(vocabulary)):
        file.add_tensor(name, values)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def make_vocabulary() -> list[tuple[bytes, gguf.TokenType]]:
    """Three control tokens, every byte (so that any text can be cut up), and printable ASCII."""
    kind = gguf.TokenType
    vocabulary = [(b"<unk>", kind.UNKNOWN), (b"<s>", kind.CONTROL), (b"</s>", kind.CONTROL)]
    vocabulary += [(b"<0x%02X>" % value, kind.BYTE) for value in range(256)]
    space = "\u2581"  # how a SentencePiece tokenizer writes a space
    vocabulary += [(text.encode(), kind.NORMAL) for text in [space, *map(chr, range(0x21, 0x7F))]]
    while len(vocabulary) % 32:
        vocabulary.append((b"<unused%d>" % len(vocabulary), kind.UNUSED))
    return vocabulary


def write_shape(file: gguf.GGUFWriter, options: argparse.Namespace, vocabulary_size: int) -> None:
    file.add_name(f"tiny-{options.seed}")
    file.add_vocab_size(vocabulary_size)
    file.add_context_length(options.context)
    file.add_embedding_length(options.width)
    file.add_feed_forward_length(2 * options.width)
    file.add_block_count(options.layers)
    file.add_head_count(HEADS)
    file.add_head_count_kv(HEADS)
    file.add_rope_dimension_count(options.width // HEADS)
    file.add_layer_norm_rms_eps(1e-5)


def write_tokenizer(file: gguf.GGUFWriter, vocabulary: list[tuple[bytes, gguf.TokenType]]) -> None:
    file.add_tokenizer_model("llama")
    file.add_token_list([text for text, _ in vocabulary])
    file.add_token_types([kind for _, kind in vocabulary])
    file.add_token_scores([-float(rank) for rank in range(len(vocabulary))])
    file.add_unk_token_id(0)
    file.add_bos_token_id(1)
    file.add_eos_token_id(2)
    # ChatML, which llama-server knows without its --jinja.
    file.add_chat_template(
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
        "{% endfor %}<|im_start|>assistant\n"
    )


def make_tensors(options: argparse.Namespace, vocabulary_size: int):
    random = numpy.random.default_rng(options.seed)
    width, hidden = options.width, 2 * options.width

    def matrix(rows: int, columns: int) -> numpy.ndarray:
        return random.standard_normal((rows, columns), dtype=numpy.float32) * numpy.float32(0.05)

    norm = numpy.ones(width, dtype=numpy.float32)
    yield "token_embd.weight", matrix(vocabulary_size, width)
    for block in range(options.layers):
        yield f"blk.{block}.attn_norm.weight", norm
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{block}.{part}.weight", matrix(width, width)
        yield f"blk.{block}.ffn_norm.weight", norm
        yield f"blk.{block}.ffn_gate.weight", matrix(hidden, width)
        yield f"blk.{block}.ffn_up.weight", matrix(hidden, width)
        yield f"blk.{block}.ffn_down.weight", matrix(width, hidden)
    yield "output_norm.weight", norm
    yield "output.weight", matrix(vocabulary_size, width)


if __name__ == "__main__":
    main()
