"""The picture chain: VapourSynth filters between the decoder's planes and the encoder's.

Knows clips and plans; knows no files, no streams and no encoder.
"""
