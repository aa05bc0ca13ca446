"""The PyTorch front end of the meter: work and span of what runs. The only part that imports torch.

measure_program(fn, args)                            a function or module on its arguments
measure_generate(model, prompt_length, new_tokens)   greedy decoding of a Hugging Face language model
"""

from .generate import measure_generate
from .program import measure_program

__all__ = ["measure_generate", "measure_program"]
