"""What the service takes and answers. Made by make generate from the API description: not for editing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict

Time: TypeAlias = "str | int | datetime"


class Figure(TypedDict):
    """A number, or null and the reason."""

    value: float | None
    why: str | None

Figures: TypeAlias = "dict[str, Any]"

Basis: TypeAlias = "Literal['mark', 'realised', 'folds']"


class Tearsheet(TypedDict):
    simulation_id: str
    run_id: str
    dataset_id: str
    basis: Basis
    why: str | None
    period: Literal['day', 'fold']
    periods: int
    periods_per_year: float | None
    first_day: str | None
    last_day: str | None
    figures: Figures
    monthly: list[dict[str, Any]]
    rolling_sharpe: dict[str, Any]
    drawdowns: list[dict[str, Any]]
    trades: dict[str, Any]
    folds: FoldStability
    days: list[str]
    returns: list[float]


class FoldStability(TypedDict):
    folds: int
    profitable_share: Figure
    worst_fold: Figure
    longest_losing_streak: int
    profit_share_of_best_fold: Figure


class ComparedRun(TypedDict):
    run_id: str
    name: str | None
    dataset_id: str
    dataset_slug: str
    target_column: str
    search_id: str | None
    status: str
    created_at: str
    simulation_id: str | None
    basis: Basis
    why: str | None
    period: Literal['day', 'fold']
    periods: int
    periods_per_year: float | None
    first_day: str | None
    last_day: str | None
    figures: Figures
    folds: FoldStability


class Comparison(TypedDict):
    runs: list[ComparedRun]
    count: int
    baseline: str | None
    metrics: list[dict[str, Any]]
    configuration: list[dict[str, Any]]
    folds: dict[str, Any]
    differences: list[dict[str, Any]]
    equity: dict[str, Any]
    warnings: list[str]


class Leaderboard(TypedDict):
    search: dict[str, Any]
    metric: str
    period: Literal['day', 'fold']
    periods: int
    periods_per_year: float | None
    first_day: str | None
    last_day: str | None
    block_length: float
    trials: dict[str, Any]
    expected_max_sharpe: Figure
    overfit: dict[str, Any]
    rows: list[dict[str, Any]]
    count: int
    incomparable: list[dict[str, Any]]
    without_returns: list[dict[str, Any]]
    warnings: list[str]

Status: TypeAlias = "Literal['PENDING', 'QUEUED', 'RUNNING', 'COMPLETED', 'INCOMPLETE', 'FAILED', 'CANCELLED']"

Mode: TypeAlias = "Literal['long', 'short', 'dual']"

BucketSide: TypeAlias = "Literal['long', 'short', 'all', 'dual']"

TradeSide: TypeAlias = "Literal['long', 'short']"

FeatureColumns: TypeAlias = "list[str]"

Tags: TypeAlias = "list[str]"

RunIDList: TypeAlias = "list[str]"

ComparisonSettings: TypeAlias = "dict[str, Any]"


class OptionalAnnotationUpload(TypedDict, total=False):
    annotation_id: str | None
    created_at: str | None
    fold_number: int | None
    author: str | None


class AnnotationUpload(OptionalAnnotationUpload):
    body: str


class AnnotationPatch(TypedDict, total=False):
    body: str
    author: str


class OptionalComparisonUpload(TypedDict, total=False):
    comparison_id: str | None
    created_at: str | None
    run_ids: RunIDList
    settings: ComparisonSettings


class ComparisonUpload(OptionalComparisonUpload):
    name: str


class ComparisonPatch(TypedDict, total=False):
    name: str
    run_ids: RunIDList
    settings: ComparisonSettings

EventTopic: TypeAlias = "Literal['datasets', 'runs', 'simulations', 'jobs', 'annotations']"

EventData: TypeAlias = "dict[str, Any]"

CostModel: TypeAlias = "dict[str, Any]"

ColumnSchema: TypeAlias = "list[dict[str, Any]]"

DatasetMetadata: TypeAlias = "dict[str, Any]"

Hyperparameters: TypeAlias = "dict[str, Any]"

WalkConfig: TypeAlias = "dict[str, Any]"

RunMetrics: TypeAlias = "dict[str, Any]"

FoldThresholds: TypeAlias = "dict[str, Any]"

FoldMetrics: TypeAlias = "dict[str, Any]"

SimulationConfig: TypeAlias = "dict[str, Any]"

SimulationMetrics: TypeAlias = "dict[str, Any]"

TradeMetadata: TypeAlias = "dict[str, Any]"


class OptionalImportPayload(TypedDict, total=False):
    filename: str


class ImportPayload(OptionalImportPayload):
    """What was asked for."""

    measurement: str

Format: TypeAlias = "Literal['json', 'csv', 'ndjson', 'arrow', 'arrows', 'parquet']"

Shape: TypeAlias = "Literal['objects', 'arrays', 'columns']"

ShapedRows: TypeAlias = "dict[str, Any]"


class OptionalSeriesRows(TypedDict, total=False):
    pixel_columns: int
    pixel_start_us: int
    pixel_width_us: int
    interval: str
    tz: str
    day_offset: str
    partial_left_out: int


class SeriesRows(OptionalSeriesRows):
    measurement: str
    columns: list[str]
    rows: list[dict[str, Any]]
    count: int
    total: int
    truncated: bool
    limit: int | None
    offset: int
    next: str | None


class OptionalSeriesTable(TypedDict, total=False):
    pixel_columns: int
    pixel_start_us: int
    pixel_width_us: int
    histograms: dict[str, Any]


class SeriesTable(OptionalSeriesTable):
    dataset_id: str
    measurement: str
    columns: list[str]
    rows: list[list[Any]]
    count: int
    total: int
    truncated: bool
    limit: int | None
    offset: int
    next: str | None
    next_offset: int | None


class OptionalPredictionTable(TypedDict, total=False):
    pixel_columns: int
    pixel_start_us: int
    pixel_width_us: int
    folds: list[dict[str, Any]]


class PredictionTable(OptionalPredictionTable):
    run_id: str
    measurement: str
    columns: list[str]
    dataset: list[list[Any]]
    count: int
    total: int
    truncated: bool
    limit: int | None
    offset: int
    next: str | None


class IndexMap(TypedDict):
    measurement: str
    start_index: int
    end_index: int
    rows: list[dict[str, Any]]
    count: int


class SeriesColumn(TypedDict):
    name: str
    type: str


class Features(TypedDict):
    dataset_id: str
    measurement: str
    features: list[SeriesColumn]
    count: int


class Targets(TypedDict):
    dataset_id: str
    measurement: str
    targets: list[SeriesColumn]
    count: int


class Histogram(TypedDict):
    column: str
    count: int
    nulls: int
    min: float | None
    max: float | None
    mean: float | None
    stddev: float | None
    bins: list[HistogramBin]


class HistogramBin(TypedDict):
    lo: float
    hi: float
    count: int


class OptionalEquityRows(TypedDict, total=False):
    pixel_columns: int
    pixel_start_us: int
    pixel_width_us: int
    max_marked_drawdown_pct: float
    max_marked_drawdown_timestamp_ms: int | None


class EquityRows(OptionalEquityRows):
    simulation_id: str
    source: Literal['trades', 'trace']
    measurement: str | None
    columns: list[str]
    rows: list[dict[str, Any]]
    count: int
    total: int
    total_return_pct: float
    max_drawdown_pct: float
    max_drawdown_timestamp_ms: int | None
    warnings: list[str]


class Error(TypedDict):
    """The body of every answer that is not a success."""

    error: str
    message: str
    code: Literal['invalid_id', 'invalid_parameter', 'unknown_parameter', 'invalid_json', 'invalid_body', 'not_found', 'method_not_allowed', 'conflict', 'final', 'unknown_dataset', 'unknown_run', 'removal_pending', 'precondition_failed', 'body_too_large', 'unsupported_encoding', 'unsupported_type', 'misdirected', 'unauthorized', 'forbidden', 'rate_limited', 'overloaded', 'internal', 'database_unavailable', 'measurement_not_found', 'questdb_unavailable', 'timeout']
    request_id: str
    details: dict[str, Any]


class Liveness(TypedDict):
    status: Literal['ok']


class Readiness(TypedDict):
    status: Literal['ready', 'not ready', 'stopping']
    postgres: str
    questdb: Literal['ok', 'down', 'off']


class OptionalHealth(TypedDict, total=False):
    removals: Removals


class Health(OptionalHealth):
    status: Literal['healthy', 'degraded']
    timestamp: str
    uptime: int
    version: str
    postgres: str
    questdb: str


class Removals(TypedDict):
    """Removals from QuestDB that are still to be done."""

    pending: int
    since: str | None


class RunDetail(TypedDict):
    run: WalkforwardRun
    folds: list[WalkforwardFold]


class SimulationDetail(TypedDict):
    run: SimulationRun
    buckets: list[SimulationTradeBucket]


class OptionalDatasetList(TypedDict, total=False):
    total_is_estimate: bool


class DatasetList(OptionalDatasetList):
    datasets: list[ListedDataset]
    count: int
    total: int | None
    limit: int
    offset: int
    next: str | None


class OptionalRunList(TypedDict, total=False):
    total_is_estimate: bool
    warnings: list[str]


class RunList(OptionalRunList):
    runs: list[WalkforwardRun]
    count: int
    total: int | None
    limit: int
    offset: int
    next: str | None


class OptionalSimulationList(TypedDict, total=False):
    total_is_estimate: bool
    warnings: list[str]


class SimulationList(OptionalSimulationList):
    simulations: list[SimulationRun]
    count: int
    total: int | None
    limit: int
    offset: int
    next: str | None


class OptionalFoldList(TypedDict, total=False):
    total_is_estimate: bool


class FoldList(OptionalFoldList):
    folds: list[WalkforwardFold]
    count: int
    total: int | None
    limit: int
    offset: int
    next: str | None


class OptionalTradeList(TypedDict, total=False):
    total_is_estimate: bool


class TradeList(OptionalTradeList):
    trades: list[SimulationTrade]
    count: int
    total: int | None
    limit: int
    offset: int
    next: str | None

ListOfFields: TypeAlias = "dict[str, Any]"

ArrayOfFields: TypeAlias = "list[dict[str, Any]]"


class WalkforwardRun(TypedDict):
    """A walk-forward run: a model fitted and tested fold by fold along one dataset."""

    run_id: str
    dataset_id: str
    prediction_measurement: str
    target_column: str
    feature_columns: FeatureColumns
    hyperparameters: Hyperparameters
    walk_config: WalkConfig
    summary_metrics: RunMetrics
    status: Status
    requested_by: str | None
    started_at: str | None
    completed_at: str | None
    duration_ms: int | None
    serialized_config: str | None
    created_at: str
    version: int
    fold_count: int
    name: str | None
    tags: Tags
    notes: str | None
    parent_run_id: str | None
    search_id: str | None
    git_commit: str | None
    initial_capital: float | None
    target_horizon_bars: int | None
    cost_model: CostModel
    dataset_slug: str


class RunFlat(WalkforwardRun):
    folds: list[WalkforwardFold]
    total_folds: int
    fold_offset: int
    has_more_folds: bool


class SimulationSummary(TypedDict):
    """A trading simulation over the predictions of one walk-forward run."""

    simulation_id: str
    run_id: str
    dataset_id: str
    input_run_measurement: str
    questdb_namespace: str
    mode: Mode
    config: SimulationConfig
    summary_metrics: SimulationMetrics
    status: Status
    started_at: str | None
    completed_at: str | None
    serialized_config: str | None
    created_at: str
    version: int
    name: str | None
    tags: Tags
    notes: str | None
    initial_capital: float | None
    cost_model: CostModel
    trade_count: int


class SimulationFlat(SimulationSummary):
    buckets: list[SimulationTradeBucket]

Manifest: TypeAlias = "dict[str, Any]"

Moment: TypeAlias = "int | str | None"


class OptionalDatasetUpload(TypedDict, total=False):
    created_at: str | None
    symbol: str | None
    granularity: str | None
    source: str | None
    ohlcv_first_ts: Moment
    first_ohlcv_ts: Moment
    ohlcv_last_ts: Moment
    indicator_first_ts: Moment
    first_indicator_ts: Moment
    indicator_last_ts: Moment
    metadata: DatasetMetadata | str | None
    indicator_measurement: str | None
    column_schema: ColumnSchema | None
    indicator_row_count: int | None
    ohlcv_measurement: str | None
    ohlcv_row_count: int | None
    bar_interval_ms: int | None
    lookback_rows: int | None


class DatasetUpload(OptionalDatasetUpload):
    """Absent fields, null and empty texts keep what is stored; metadata is merged by top-level key, and values that are missing at the top level of the body are taken from it."""

    dataset_slug: str
    dataset_id: str

RunUpload: TypeAlias = "RunNestedUpload | RunFlatUpload"


class OptionalRunNestedUpload(TypedDict, total=False):
    folds: FoldUploads


class RunNestedUpload(OptionalRunNestedUpload):
    run: RunFields


class OptionalRunFields(TypedDict, total=False):
    target_column: str | None
    features: FeatureColumns | None
    created_at: str | None
    feature_columns: FeatureColumns | None
    hyperparameters: Hyperparameters | None
    walk_config: WalkConfig | None
    summary_metrics: RunMetrics | None
    status: Status | None
    requested_by: str | None
    started_at: str | None
    completed_at: str | None
    duration_ms: int | None
    serialized_config: str | None
    name: str | None
    tags: Tags | None
    notes: str | None
    parent_run_id: str | None
    search_id: str | None
    git_commit: str | None
    initial_capital: float | None
    target_horizon_bars: int | None
    cost_model: CostModel | None


class RunFields(OptionalRunFields):
    """A run as it is stored: a field that is absent or null gets its default, also where a run is replaced."""

    dataset_id: str
    prediction_measurement: str
    run_id: str


class RunFlatUpload(RunFields, total=False):
    folds: FoldUploads

FoldUploads: TypeAlias = "list[FoldUpload] | None"

FoldsUpload: TypeAlias = "list[FoldUpload] | dict[str, Any]"


class OptionalFoldUpload(TypedDict, total=False):
    run_id: str | None
    best_iteration: int | None
    best_score: float | None
    thresholds: FoldThresholds | None
    metrics: FoldMetrics | None
    train_start_ts_ms: int | None
    train_end_ts_ms: int | None
    test_start_ts_ms: int | None
    test_end_ts_ms: int | None


class FoldUpload(OptionalFoldUpload):
    """Indices are row numbers of the dataset's indicator rows from 0; ranges are half-open, and their ends are not below their starts."""

    fold_number: int
    train_start_idx: int
    train_end_idx: int
    test_start_idx: int
    test_end_idx: int
    samples_train: int
    samples_test: int

SimulationUpload: TypeAlias = "SimulationFlatUpload | SimulationNestedUpload | SimulationRunUpload"


class OptionalSimulationFields(TypedDict, total=False):
    input_run_measurement: str | None
    questdb_namespace: str | None
    created_at: str | None
    config: SimulationConfig | None
    summary_metrics: SimulationMetrics | None
    status: Status | None
    started_at: str | None
    completed_at: str | None
    serialized_config: str | None
    name: str | None
    tags: Tags | None
    notes: str | None
    initial_capital: float | None
    cost_model: CostModel | None


class SimulationFields(OptionalSimulationFields):
    """A simulation as it is stored: a field that is absent or null gets its default, also where a simulation is replaced."""

    dataset_id: str
    simulation_id: str
    run_id: str
    mode: Mode


class SimulationLists(TypedDict, total=False):
    buckets: list[BucketUpload] | None
    trades: list[TradeUpload] | None


class SimulationFlatUpload(SimulationFields, SimulationLists):
    pass


class SimulationNestedUpload(SimulationLists):
    simulation: SimulationFields


class SimulationRunUpload(SimulationLists):
    run: SimulationFields


class OptionalBucketUpload(TypedDict, total=False):
    simulation_id: str | None
    trade_count: int | None
    win_count: int | None
    profit_factor: float | None
    avg_return_pct: float | None
    max_drawdown_pct: float | None
    notes: str | None


class BucketUpload(OptionalBucketUpload):
    """The trades of a side summed up; win_count is not above trade_count."""

    side: BucketSide

TradeUpload: TypeAlias = "dict[str, Any]"


class RunPatch(TypedDict, total=False):
    """At least one field; what is absent stays."""

    summary_metrics: RunMetrics
    status: Status
    started_at: str
    completed_at: str
    duration_ms: int
    name: str
    tags: Tags
    notes: str
    parent_run_id: str
    search_id: str
    git_commit: str
    initial_capital: float
    target_horizon_bars: int
    cost_model: CostModel


class SimulationPatch(TypedDict, total=False):
    """At least one field; what is absent stays."""

    summary_metrics: SimulationMetrics
    status: Status
    started_at: str
    completed_at: str
    name: str
    tags: Tags
    notes: str
    initial_capital: float
    cost_model: CostModel


class OptionalDatasetStored(TypedDict, total=False):
    matched_by: Literal['slug']


class DatasetStored(OptionalDatasetStored):
    success: bool
    message: str
    dataset_id: str
    created: bool
    version: int
    dry_run: bool
    warnings: list[str]


class RunStored(TypedDict):
    success: bool
    message: str
    run_id: str
    created: bool
    version: int
    dry_run: bool
    warnings: list[str]
    prediction_measurement: str
    folds_received: int
    folds_stored: int


class SimulationStored(TypedDict):
    success: bool
    message: str
    simulation_id: str
    created: bool
    version: int
    dry_run: bool
    warnings: list[str]
    buckets_stored: int
    trades_stored: int


class FoldsStored(TypedDict):
    success: bool
    run_id: str
    folds_received: int
    folds_stored: int
    version: int
    dry_run: bool
    warnings: list[str]


class RowsUpload(TypedDict):
    """Rows in any order; other members are ignored."""

    rows: list[RowUpload]

RowUpload: TypeAlias = "dict[str, Any]"


class OptionalRowsStored(TypedDict, total=False):
    rows_added: int
    rows_changed: int
    rows_unchanged: int


class RowsStored(OptionalRowsStored):
    success: bool
    message: str
    rows_written: int
    measurement: str
    row_count: int
    first_ts: int
    last_ts: int
    columns_added: list[str]
    dry_run: bool
    warnings: list[str]


class Changed(TypedDict):
    success: bool
    id: str
    version: int
    dry_run: bool
    warnings: list[str]


class Deleted(TypedDict):
    success: bool
    id: str
    deleted: dict[str, Any]
    dry_run: bool
    warnings: list[str]


class Statement(TypedDict):
    sql: str


class QueryResult(TypedDict):
    query: str
    columns: list[str]
    dataset: list[list[float | str | bool | None]]
    count: int
    truncated: bool


class Measurement(TypedDict):
    name: str
    designatedTimestamp: str | None
    partitionBy: str
    row_count: int
    first_ts: str | None
    last_ts: str | None


class MeasurementList(TypedDict):
    measurements: list[Measurement]
    count: int


class MeasurementColumn(TypedDict):
    name: str
    type: str


class MeasurementDetail(Measurement):
    columns: list[MeasurementColumn]


class OptionalImport(TypedDict, total=False):
    filename: str


class Import(OptionalImport):
    measurement: str
    data: str


class ImportAccepted(TypedDict):
    job_id: str
    status: JobStatus
    message: str
    poll_url: str


class ImportResult(TypedDict):
    measurement: str
    rows: int
    imported: int
    rejected: int
    errors: list[ImportError]
    columns: list[str]
    warnings: list[str]


class ImportError(TypedDict):
    row: int
    error: str

JobStatus: TypeAlias = "Literal['PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED']"


class OptionalJobList(TypedDict, total=False):
    total_is_estimate: bool


class JobList(OptionalJobList):
    jobs: list[Job]
    count: int
    total: int | None
    limit: int
    offset: int
    next: str | None


class IndicatorDataset(TypedDict):
    """An indicator dataset: where its rows are in QuestDB, how many there are and what they span."""

    dataset_id: str
    symbol: str
    granularity: str
    source: str
    questdb_tag: str
    questdb_measurement: str
    column_schema: ColumnSchema
    row_count: int
    first_bar_ts: str | None
    last_bar_ts: str | None
    ohlcv_measurement: str
    ohlcv_row_count: int
    ohlcv_first_ts: str | None
    ohlcv_last_ts: str | None
    bar_interval_ms: int
    lookback_rows: int
    metadata: DatasetMetadata
    created_at: str
    updated_at: str
    version: int


class OptionalWalkforwardFold(TypedDict, total=False):
    train_start_ts_ms: int
    train_end_ts_ms: int
    test_start_ts_ms: int
    test_end_ts_ms: int


class WalkforwardFold(OptionalWalkforwardFold):
    """One fold of a walk-forward run: the window it was trained on, the window it was tested on, and how it did."""

    run_id: str
    fold_number: int
    train_start_idx: int
    train_end_idx: int
    test_start_idx: int
    test_end_idx: int
    samples_train: int
    samples_test: int
    best_iteration: int | None
    best_score: float | None
    thresholds: FoldThresholds
    metrics: FoldMetrics


class SimulationRun(TypedDict):
    """A trading simulation over the predictions of one walk-forward run."""

    simulation_id: str
    run_id: str
    dataset_id: str
    input_run_measurement: str
    questdb_namespace: str
    mode: Mode
    config: SimulationConfig
    summary_metrics: SimulationMetrics
    status: Status
    started_at: str | None
    completed_at: str | None
    serialized_config: str | None
    created_at: str
    version: int
    name: str | None
    tags: Tags
    notes: str | None
    initial_capital: float | None
    cost_model: CostModel


class SimulationTradeBucket(TypedDict):
    """The trades of a simulation summed up by side."""

    simulation_id: str
    side: BucketSide
    trade_count: int
    win_count: int
    profit_factor: float | None
    avg_return_pct: float | None
    max_drawdown_pct: float | None
    notes: str | None


class DatasetSummary(TypedDict):
    """An indicator dataset: where its rows are in QuestDB, how many there are and what they span."""

    dataset_id: str
    dataset_slug: str
    symbol: str
    granularity: str
    source: str
    ohlcv_measurement: str
    indicator_measurement: str
    ohlcv_row_count: int
    indicator_row_count: int
    first_ohlcv_ts: int
    first_indicator_ts: int
    ohlcv_first_ts: int
    ohlcv_last_ts: int
    indicator_first_ts: int
    indicator_last_ts: int
    bar_interval_ms: int
    lookback_rows: int
    run_count: int
    simulation_count: int
    metadata: DatasetMetadata
    column_schema: ColumnSchema
    version: int
    created_at: str
    updated_at: str


class OptionalListedDataset(TypedDict, total=False):
    column_schema: ColumnSchema


class ListedDataset(OptionalListedDataset):
    """An indicator dataset: where its rows are in QuestDB, how many there are and what they span."""

    dataset_id: str
    dataset_slug: str
    symbol: str
    granularity: str
    source: str
    ohlcv_measurement: str
    indicator_measurement: str
    ohlcv_row_count: int
    indicator_row_count: int
    first_ohlcv_ts: int
    first_indicator_ts: int
    ohlcv_first_ts: int
    ohlcv_last_ts: int
    indicator_first_ts: int
    indicator_last_ts: int
    bar_interval_ms: int
    lookback_rows: int
    run_count: int
    simulation_count: int
    metadata: DatasetMetadata
    version: int
    created_at: str
    updated_at: str


class SimulationTrade(TypedDict):
    """One trade of a simulation."""

    simulation_id: str
    trade_id: str
    bar_timestamp: str
    side: TradeSide
    size: float
    entry_price: float
    exit_price: float | None
    pnl: float | None
    return_pct: float | None
    metadata: TradeMetadata
    trade_index: int
    bar_timestamp_ms: int


class Job(TypedDict):
    """Work that goes on after its request was answered."""

    job_id: str
    job_type: str
    status: JobStatus
    progress: int
    total: int
    message: str
    error: str | None
    payload: ImportPayload
    result: ImportResult | None
    created_at: str
    updated_at: str
    started_at: str | None
    completed_at: str | None


class Event(TypedDict):
    seq: int
    topic: EventTopic
    kind: str
    subject_id: str
    run_id: str | None
    dataset_id: str | None
    data: EventData
    at: str


class Annotation(TypedDict):
    """A note on a fold of a run, or on the run."""

    annotation_id: str
    run_id: str
    fold_number: int | None
    body: str
    author: str | None
    version: int
    created_at: str
    updated_at: str


class SavedComparison(TypedDict):
    """A comparison of runs that a person has saved."""

    comparison_id: str
    name: str
    run_ids: RunIDList
    settings: ComparisonSettings
    version: int
    created_at: str
    updated_at: str


class Artifact(TypedDict):
    """A file that is kept with a run, such as a plot, a model or a configuration."""

    run_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: str


class ListIndicatorDatasetsQuery(TypedDict, total=False):
    symbol: str
    granularity: str
    source: str
    limit: int
    offset: int
    fields: Sequence[str]


class ListWalkforwardRunsQuery(TypedDict, total=False):
    dataset_id: Sequence[str]
    dataset_slug: Sequence[str]
    symbol: Sequence[str]
    status: Status | Sequence[Status]
    run_id: Sequence[str]
    measurement: str
    target_column: str
    requested_by: str
    name: str
    tags: Sequence[str]
    search_id: str
    parent_run_id: Sequence[str]
    metric: Sequence[str]
    sort: str
    search: str
    limit: int
    offset: int
    fields: Sequence[str]


class ListTradesimRunsQuery(TypedDict, total=False):
    run_id: Sequence[str]
    dataset_id: Sequence[str]
    dataset_slug: Sequence[str]
    symbol: Sequence[str]
    status: Status | Sequence[Status]
    mode: Mode
    measurement: str
    namespace: str
    name: str
    tags: Sequence[str]
    metric: Sequence[str]
    sort: str
    search: str
    limit: int
    offset: int
    fields: Sequence[str]


class ListDatasetsQuery(TypedDict, total=False):
    symbol: str
    granularity: str
    source: str
    limit: int
    offset: int
    cursor: str
    count: Literal['exact', 'estimated', 'none']
    search: str
    fields: Sequence[str]
    include: Literal['column_schema']


class ListDatasetRunsQuery(TypedDict, total=False):
    status: Status | Sequence[Status]
    run_id: Sequence[str]
    measurement: str
    target_column: str
    requested_by: str
    name: str
    tags: Sequence[str]
    search_id: str
    parent_run_id: Sequence[str]
    metric: Sequence[str]
    sort: str
    limit: int
    offset: int
    cursor: str
    count: Literal['exact', 'estimated', 'none']
    search: str
    fields: Sequence[str]


class ListOhlcvQuery(TypedDict, total=False):
    start_ts: Time
    end_ts: Time
    start_timestamp: Time
    end_timestamp: Time
    start_index: int
    end_index: int
    columns: Sequence[str]
    desc: bool
    limit: int
    offset: str
    cursor: str
    points: int
    width: int
    interval: str
    tz: str
    partial: bool


class ListIndicatorsQuery(TypedDict, total=False):
    start_ts: Time
    end_ts: Time
    start_timestamp: Time
    end_timestamp: Time
    start_index: int
    end_index: int
    columns: Sequence[str]
    desc: bool
    limit: int
    offset: int
    cursor: str
    aligned: bool
    points: int
    width: int


class GetIndexMapQuery(TypedDict, total=False):
    start_idx: int
    end_idx: int
    type: Literal['indicator', 'ohlcv']


class ListSeriesQuery(TypedDict, total=False):
    start_ts: Time
    end_ts: Time
    start_timestamp: Time
    end_timestamp: Time
    start_index: int
    end_index: int
    columns: Sequence[str]
    desc: bool
    limit: int
    offset: int
    cursor: str
    points: int
    width: int
    bins: int


class GetHistogramQuery(TypedDict, total=False):
    column: str
    bins: int
    min: float
    max: float
    start_ts: Time
    end_ts: Time
    start_timestamp: Time
    end_timestamp: Time


class ListRunsQuery(TypedDict, total=False):
    dataset_id: Sequence[str]
    dataset_slug: Sequence[str]
    symbol: Sequence[str]
    status: Status | Sequence[Status]
    run_id: Sequence[str]
    measurement: str
    target_column: str
    requested_by: str
    name: str
    tags: Sequence[str]
    search_id: str
    parent_run_id: Sequence[str]
    metric: Sequence[str]
    sort: str
    limit: int
    offset: int
    cursor: str
    count: Literal['exact', 'estimated', 'none']
    search: str
    fields: Sequence[str]


class GetRunQuery(TypedDict, total=False):
    fold_limit: int
    fold_offset: int
    folds: Literal['all', 'none']


class ListFoldsQuery(TypedDict, total=False):
    limit: int
    offset: int
    cursor: str
    count: Literal['exact', 'estimated', 'none']
    fields: Sequence[str]


class ListRunFoldsQuery(TypedDict, total=False):
    limit: int
    offset: int
    fields: Sequence[str]


class ListRunSimulationsQuery(TypedDict, total=False):
    dataset_id: Sequence[str]
    dataset_slug: Sequence[str]
    symbol: Sequence[str]
    status: Status | Sequence[Status]
    mode: Mode
    measurement: str
    namespace: str
    name: str
    tags: Sequence[str]
    metric: Sequence[str]
    sort: str
    limit: int
    offset: int
    cursor: str
    count: Literal['exact', 'estimated', 'none']
    search: str
    fields: Sequence[str]


class ListPredictionsQuery(TypedDict, total=False):
    fold: int
    start_ts: Time
    end_ts: Time
    start_timestamp: Time
    end_timestamp: Time
    start_index: int
    end_index: int
    columns: Sequence[str]
    desc: bool
    limit: int
    offset: int
    cursor: str
    points: int
    width: int


class ListRunPredictionsQuery(TypedDict, total=False):
    fold: int
    start_ts: Time
    end_ts: Time
    start_timestamp: Time
    end_timestamp: Time
    start_index: int
    end_index: int
    columns: Sequence[str]
    desc: bool
    limit: int
    offset: int
    cursor: str
    points: int
    width: int


class ListSimulationsQuery(TypedDict, total=False):
    run_id: Sequence[str]
    dataset_id: Sequence[str]
    dataset_slug: Sequence[str]
    symbol: Sequence[str]
    status: Status | Sequence[Status]
    mode: Mode
    measurement: str
    namespace: str
    name: str
    tags: Sequence[str]
    metric: Sequence[str]
    sort: str
    limit: int
    offset: int
    cursor: str
    count: Literal['exact', 'estimated', 'none']
    search: str
    fields: Sequence[str]


class ListTradesQuery(TypedDict, total=False):
    side: TradeSide
    limit: int
    offset: int
    cursor: str
    count: Literal['exact', 'estimated', 'none']
    fields: Sequence[str]


class ListTradesimTradesQuery(TypedDict, total=False):
    side: TradeSide
    limit: int
    offset: int
    fields: Sequence[str]


class ListTraceQuery(TypedDict, total=False):
    start_ts: Time
    end_ts: Time
    start_timestamp: Time
    end_timestamp: Time
    start_index: int
    end_index: int
    columns: Sequence[str]
    desc: bool
    limit: int
    offset: int
    cursor: str
    points: int
    width: int


class ListTradesimTraceQuery(TypedDict, total=False):
    start_ts: Time
    end_ts: Time
    start_timestamp: Time
    end_timestamp: Time
    start_index: int
    end_index: int
    columns: Sequence[str]
    desc: bool
    limit: int
    offset: int
    cursor: str
    points: int
    width: int


class GetEquityQuery(TypedDict, total=False):
    source: Literal['trades', 'trace']
    order: Literal['exit', 'entry']
    compounding: bool
    basis: Literal['closed', 'mark']
    every: Literal['bar', 'day']
    points: int
    width: int


class GetTearsheetQuery(TypedDict, total=False):
    window: int


class CompareRunsQuery(TypedDict, total=False):
    ids: Sequence[str]
    baseline: str
    fold_metric: str
    points: int
    dataset_id: Sequence[str]
    dataset_slug: Sequence[str]
    symbol: Sequence[str]
    status: Status | Sequence[Status]
    measurement: str
    target_column: str
    requested_by: str
    name: str
    tags: Sequence[str]
    search_id: str
    parent_run_id: Sequence[str]
    metric: Sequence[str]
    sort: str
    limit: int
    search: str


class GetLeaderboardQuery(TypedDict, total=False):
    dataset: str
    target: str
    search_id: str
    metric: str


class ListMeasurementsQuery(TypedDict, total=False):
    prefix: str


class ListAnnotationsQuery(TypedDict, total=False):
    fold_number: int


class ListenEventsQuery(TypedDict, total=False):
    topic: EventTopic | Sequence[EventTopic]
    id: Sequence[str]


class ListJobsQuery(TypedDict, total=False):
    job_type: str
    status: JobStatus
    limit: int
    offset: int
    cursor: str
    count: Literal['exact', 'estimated', 'none']
    fields: Sequence[str]
