"""Annotations from a table of points, lines, boxes or ellipsoids: neuroglancer's precomputed annotations, all indexes.

The table passes twice: once to find its types and bounds, once to be written as records. These are spread over buckets
on disk by a hash of their ids, and each bucket is sorted by it: from then on the order is as good as random, and the same
whatever the order of the rows was. Each index is one more spread, by shard. Memory holds some blocks of rows and the keys
of one shard; it does not grow with the number of annotations, but with the longest list that one key has.
"""
