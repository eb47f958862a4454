"""What MiniStack drops or lacks of the AWS that the program `stacks/aws.py` asks for, added in its own process.

Each patch is a function named after what AWS does. MiniStack's handlers are module-level functions, looked up when a
request comes; a patch puts one of ours around them. Written against the version that `uv.lock` pins: a patch that
misses its handler fails when the emulator starts.

"Does not remember" in a patch's description means: the request is accepted, the answer lacks it, and the provider wants
to set it again with every preview.
"""
