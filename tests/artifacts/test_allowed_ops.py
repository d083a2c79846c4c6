"""The list of operations that a SavedModel may hold: all of them exist, and none reaches beyond the model."""

from __future__ import annotations

import re

import pytest

from tlkit.artifacts.allowed_ops import ALLOWED, RESTORING, SAVING

DANGEROUS = """
    ReadFile WriteFile MatchingFiles WholeFileReader WholeFileReaderV2 FixedLengthRecordReader
    FixedLengthRecordReaderV2 TFRecordReader TFRecordReaderV2 TextLineReader TextLineReaderV2 LMDBReader IdentityReader
    ReaderReadV2 PyFunc EagerPyFunc PyFuncStateless Save SaveV2 SaveSlices Restore RestoreV2 RestoreSlice
    ShardedFilename MergeV2Checkpoints DistributedSave CalibrationStatisticsSaver CustomAggregator Print PrintV2
    DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary DebugNumericSummaryV2 DumpTensor
    Copy CopyHost TFRecordDataset TextLineDataset FixedLengthRecordDataset GeneratorDataset TensorSliceDataset
    MapDataset SqlDataset SaveDataset SaveDatasetV2 LoadDataset SnapshotDatasetV2 CacheDatasetV2 DataServiceDatasetV4
    IteratorV2 MakeIterator AnonymousIteratorV3 IteratorGetNext OneShotIterator AnonymousMemoryCache FIFOQueueV2
    QueueEnqueueV2 PriorityQueueV2 Barrier BarrierTakeMany Stage Unstage MapStage OrderedMapStage RpcServer RpcClient
    RpcCall RpcServerStart Send Recv _Send _Recv _HostSend CollectiveReduceV2 CollectiveGatherV2 CollectiveBcastSend
    NcclAllReduce RemoteCall XlaLaunch XlaCallModule XlaCustomCallV2 XlaSend XlaHostCompute XlaWhile XlaReduce
    LoadLibrary CreateSummaryFileWriter CreateSummaryDbWriter WriteSummary WriteRawProtoSummary ImportEvent
    SummaryWriter InitializeTableFromTextFile InitializeTableFromTextFileV2 InitializeTableFromDataset
    LoadAndRemapMatrix GenerateVocabRemapping ImmutableConst RecordInput FixedUnigramCandidateSampler Skipgram
    EncodeProto DecodeProtoV2 FileSystemSetConfiguration Abort GetSessionHandleV2 BatchFunction Empty SleepOp
"""
# kinds of operations, by their names
KINDS = re.compile(
    "Dataset|Iterator|Queue|Reader|File|PyFunc|^Debug|^Print|Summary|Collective|Nccl|Rpc|Send|Recv|^Barrier|^Save|Restore|"
    "Checkpoint|Dump|Launch|HostCompute|CustomCall|Session|Stage|ThreadPool|Server|Optional|Distributed|TPU|^_"
)
# what an operation calls an argument or attribute that names a place outside the model
PLACES = re.compile(r"(^|_)(files?|filenames?|path|address|urls?|dir|directory|host|port|memory_region)(_|$)")


@pytest.fixture(scope="module")
def registry() -> dict:
    """Return the definitions of all operations of TensorFlow and tensorflow_text by name."""
    import tensorflow_text  # noqa: F401, it registers its operations
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    every = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return {operation.name: operation for operation in every.op}


def test_every_operation_is_registered(registry: dict) -> None:
    assert (ALLOWED | SAVING | RESTORING) - registry.keys() == set()
    assert len(ALLOWED) > 800


def test_no_dangerous_operation_is_allowed(registry: dict) -> None:
    assert [name for name in DANGEROUS.split() if name in ALLOWED] == []
    assert len([name for name in DANGEROUS.split() if name in registry]) > 90  # the control


def test_no_operation_of_a_dangerous_kind_is_allowed(registry: dict) -> None:
    assert [name for name in ALLOWED if KINDS.search(name)] == []
    assert sum(KINDS.search(name) is not None for name in registry) > 300  # the control


def test_no_operation_names_a_place_outside_the_model(registry: dict) -> None:
    def places(name: str) -> list[str]:
        definition = registry[name]
        named = [one.name for one in (*definition.attr, *definition.input_arg)]
        return [one for one in named if PLACES.search(one)]

    assert {name: places(name) for name in ALLOWED if places(name)} == {}
    outside = ("ReadFile", "WriteFile", "InitializeTableFromTextFileV2", "DistributedSave", "ImmutableConst")
    assert all(places(name) for name in outside)  # the control


def test_the_saver_has_only_what_it_takes() -> None:
    assert not (SAVING | RESTORING) & ALLOWED
