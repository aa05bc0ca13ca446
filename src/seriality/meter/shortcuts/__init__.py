"""Shortcuts: loops that can be evaluated in logarithmic span, found, measured and run.

An SSM is not an RNN (Appendix C.2 of "The Serial Scaling Hypothesis"): where the state changes affinely, the
steps compose, and nobody has to take them one by one.

    groups         which carries of a loop need each other
    algebras       is their update affine, in the ring or in a tropical semiring, and along which axes?
    ranges         do they take few values, as a finite machine does?
    fractions      is their update a linear fraction? decided in exact arithmetic
    compositions   how such updates compose
    loops          the plan of a loop, and the re-associated program
    finder         all loops of a program, for the interpreter
    certificate    both programs run and compared
"""

from .certificate import Certificate, certify, reassociate

__all__ = ["Certificate", "certify", "reassociate"]
