"""Changes the program in one place at a time, and sees whether a quick test says so: `make mutants`, docs/mutants.md.

Why not a kept library: mutmut 3 changes the bodies of functions only, and neither it nor cosmic-ray drops a keyword
argument, an element or a wire, which is what an infrastructure is made of; cosmic-ray starts an interpreter for each
mutant, and importing the providers takes five seconds.
"""
