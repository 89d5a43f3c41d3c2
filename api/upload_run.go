package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/api/spec"
	"foldbook/db"
)

// runUpload is a run as it was posted, checked and ready to be stored.
type runUpload struct {
	Run      db.UpsertRunParams
	Folds    *foldList // nil: the stored folds stay
	Warnings []string
}

type runFields struct {
	RunID                 *string `json:"run_id"`
	DatasetID             *string `json:"dataset_id"`
	PredictionMeasurement *string `json:"prediction_measurement"`
	TargetColumn          *string `json:"target_column"`
	FeatureColumns        part    `json:"feature_columns"`
	Features              part    `json:"features"`
	Hyperparameters       part    `json:"hyperparameters"`
	WalkConfig            part    `json:"walk_config"`
	SummaryMetrics        part    `json:"summary_metrics"`
	Status                *string `json:"status"`
	RequestedBy           *string `json:"requested_by"`
	StartedAt             *string `json:"started_at"`
	CompletedAt           *string `json:"completed_at"`
	DurationMS            *int64  `json:"duration_ms"`
	SerializedConfig      *string `json:"serialized_config"`
	Unknown               unknown `json:",embed"`
}

// readRun reads {"run": {…}, "folds": […]} or the same with the run's fields at the top.
func readRun(w http.ResponseWriter, r *http.Request, limit int64) (*runUpload, error) {
	var body struct {
		Run *runFields `json:"run"`
		runFields
		Folds *foldList `json:"folds"`
	}
	if err := decodeBody(w, r, limit, &body); err != nil {
		return nil, err
	}
	f, run := fields{}, &body.runFields
	warnings := run.Unknown.warnings("")
	if body.Run != nil {
		if run.RunID != nil || run.DatasetID != nil {
			f.fail("run", "is given beside the fields of a run")
		}
		f.path, run = "run", body.Run
		warnings = append(warnings, run.Unknown.warnings("run")...)
	}
	u := &runUpload{Run: run.row(&f), Warnings: warnings}
	if f.fault != nil {
		return nil, f.fault.answer()
	}
	if u.Folds = body.Folds; u.Folds != nil {
		if wrong := u.Folds.of(u.Run.RunID); wrong != nil {
			return nil, wrong.answer()
		}
		u.Warnings = append(append(u.Warnings, u.Folds.more.warnings("folds[]")...), u.compareFolds()...)
	}
	return u, nil
}

func (b *runFields) row(f *fields) db.UpsertRunParams {
	features := b.FeatureColumns
	if features == nil {
		features = part(f.array("features", b.Features))
	}
	return db.UpsertRunParams{
		RunID:                 f.needID("run_id", b.RunID),
		DatasetID:             f.needID("dataset_id", b.DatasetID),
		PredictionMeasurement: need(f, "prediction_measurement", f.name("prediction_measurement", b.PredictionMeasurement)),
		TargetColumn:          orElse(f.name("target_column", b.TargetColumn), ""),
		FeatureColumns:        orJSON(f.array("feature_columns", features), "[]"),
		Hyperparameters:       orJSON(f.object("hyperparameters", b.Hyperparameters), "{}"),
		WalkConfig:            orJSON(f.object("walk_config", b.WalkConfig), "{}"),
		SummaryMetrics:        orJSON(f.object("summary_metrics", b.SummaryMetrics), "{}"),
		Status:                orElse(f.status(b.Status), string(spec.StatusPENDING)),
		RequestedBy:           b.RequestedBy,
		StartedAt:             f.time("started_at", b.StartedAt),
		CompletedAt:           f.time("completed_at", b.CompletedAt),
		DurationMS:            f.count("duration_ms", b.DurationMS),
		SerializedConfig:      b.SerializedConfig,
	}
}

// compareFolds warns when the run's summary tells of another number of folds than came with it.
func (u *runUpload) compareFolds() []string {
	var summary struct {
		Folds part `json:"folds"`
	}
	if err := jsonv2.Unmarshal(u.Run.SummaryMetrics, &summary); err != nil || summary.Folds == nil {
		return nil
	}
	if n, err := strconv.ParseFloat(string(summary.Folds), 64); err == nil && n == float64(u.Folds.n) {
		return nil
	}
	return []string{fmt.Sprintf("summary_metrics.folds is %s, but %d folds were posted", shorten(string(summary.Folds)), u.Folds.n)}
}

// foldList is the folds of a body, one row each.
type foldList struct {
	rowList[foldFields, db.CopyFoldsParams]
	numbers map[int32]int32
	parents parents
}

type foldFields struct {
	RunID          *string  `json:"run_id"`
	FoldNumber     *int32   `json:"fold_number"`
	TrainStartIdx  *int64   `json:"train_start_idx"`
	TrainEndIdx    *int64   `json:"train_end_idx"`
	TestStartIdx   *int64   `json:"test_start_idx"`
	TestEndIdx     *int64   `json:"test_end_idx"`
	SamplesTrain   *int64   `json:"samples_train"`
	SamplesTest    *int64   `json:"samples_test"`
	BestIteration  *int32   `json:"best_iteration"`
	BestScore      *float64 `json:"best_score"`
	Thresholds     part     `json:"thresholds"`
	Metrics        part     `json:"metrics"`
	TrainStartTSMS *int64   `json:"train_start_ts_ms"`
	TrainEndTSMS   *int64   `json:"train_end_ts_ms"`
	TestStartTSMS  *int64   `json:"test_start_ts_ms"`
	TestEndTSMS    *int64   `json:"test_end_ts_ms"`
	Unknown        unknown  `json:",embed"`
}

// UnmarshalJSONFrom reads the folds; a fault names its fold.
func (l *foldList) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	l.numbers, l.parents = map[int32]int32{}, nil
	return l.read(dec, foldRow, func(f *fields, i int, row *db.CopyFoldsParams) {
		l.parents.note(f, "run_id", row.RunID)
		once(f, "fold_number", l.numbers, row.FoldNumber, i)
	})
}

func foldRow(f *fields, b *foldFields) db.CopyFoldsParams {
	row := db.CopyFoldsParams{
		RunID:          f.id("run_id", b.RunID),
		FoldNumber:     need(f, "fold_number", b.FoldNumber),
		TrainStartIdx:  need(f, "train_start_idx", b.TrainStartIdx),
		TrainEndIdx:    need(f, "train_end_idx", b.TrainEndIdx),
		TestStartIdx:   need(f, "test_start_idx", b.TestStartIdx),
		TestEndIdx:     need(f, "test_end_idx", b.TestEndIdx),
		SamplesTrain:   need(f, "samples_train", f.count("samples_train", b.SamplesTrain)),
		SamplesTest:    need(f, "samples_test", f.count("samples_test", b.SamplesTest)),
		BestIteration:  b.BestIteration,
		BestScore:      b.BestScore,
		Thresholds:     orJSON(f.object("thresholds", b.Thresholds), "{}"),
		Metrics:        orJSON(f.object("metrics", b.Metrics), "{}"),
		TrainStartTSMS: f.epoch("train_start_ts_ms", b.TrainStartTSMS),
		TrainEndTSMS:   f.epoch("train_end_ts_ms", b.TrainEndTSMS),
		TestStartTSMS:  f.epoch("test_start_ts_ms", b.TestStartTSMS),
		TestEndTSMS:    f.epoch("test_end_ts_ms", b.TestEndTSMS),
	}
	f.ignore(b.Unknown)
	switch {
	case row.FoldNumber < 0:
		f.fail("fold_number", "must not be below 0")
	case row.TrainEndIdx < row.TrainStartIdx:
		f.fail("train_end_idx", "must not be below train_start_idx")
	case row.TestEndIdx < row.TestStartIdx:
		f.fail("test_end_idx", "must not be below test_start_idx")
	}
	*b = foldFields{}
	return row
}

// count is how many folds were given.
func (l *foldList) count() int {
	if l == nil {
		return 0
	}
	return l.n
}

// of tells whether all folds are of the run.
func (l *foldList) of(run uuid.UUID) *fault {
	return l.parents.check(run, "is not the run_id of the run")
}

// store hands the folds out in pieces, as rows of the run.
func (l *foldList) store(run uuid.UUID, store func([]db.CopyFoldsParams) error) error {
	return l.each(func(_ int, row *db.CopyFoldsParams) { row.RunID = run }, store)
}

// foldsBody is {"folds": […]} or the array alone.
type foldsBody struct {
	Folds   *foldList `json:"folds"`
	Unknown unknown   `json:",embed"`
}

// UnmarshalJSONFrom reads either form.
func (b *foldsBody) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == jsontext.KindBeginArray {
		b.Folds = new(foldList)
		return b.Folds.UnmarshalJSONFrom(dec)
	}
	type object foldsBody // without this method
	return jsonv2.UnmarshalDecode(dec, (*object)(b))
}

// readFolds reads folds of a run that is stored already, with what there is to warn of.
func readFolds(w http.ResponseWriter, r *http.Request, runID uuid.UUID) (*foldList, []string, error) {
	var body foldsBody
	if err := decodeBody(w, r, maxBody, &body); err != nil {
		return nil, nil, err
	}
	if body.Folds == nil {
		return nil, nil, invalidBody("folds", "is missing").answer()
	}
	if wrong := body.Folds.of(runID); wrong != nil {
		return nil, nil, wrong.answer()
	}
	return body.Folds, append(body.Unknown.warnings(""), body.Folds.more.warnings("folds[]")...), nil
}

// runPatch is what a PATCH changes of a run; nil stays as it is.
type runPatch struct {
	Status         *string
	StartedAt      *time.Time
	CompletedAt    *time.Time
	DurationMS     *int64
	SummaryMetrics json.RawMessage // merged by key at the top
}

// patchFields are the fields that a run and a simulation both let change.
type patchFields struct {
	Status         notNull[string] `json:"status"`
	StartedAt      notNull[string] `json:"started_at"`
	CompletedAt    notNull[string] `json:"completed_at"`
	SummaryMetrics notNull[part]   `json:"summary_metrics"`
}

// notNull is a value that may be absent but not null: null would have to change nothing, or remove what it cannot.
type notNull[T any] struct{ v *T }

// UnmarshalJSONFrom refuses null.
func (n *notNull[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == jsontext.KindNull {
		return invalidBody(fieldName(dec.StackPointer().LastToken()), "must not be null")
	}
	n.v = new(T)
	return jsonv2.UnmarshalDecode(dec, n.v)
}

// given refuses an empty text for the same reason.
func (f *fields) given(name string, text notNull[string]) *string {
	if text.v != nil && *text.v == "" {
		f.fail(name, "must not be empty")
	}
	return text.v
}

// readRunPatch reads the change of a run. A field that it does not know is a fault: a PATCH that does nothing about it
// would look as if it had.
func readRunPatch(w http.ResponseWriter, r *http.Request, limit int64) (*runPatch, error) {
	var body struct {
		patchFields
		DurationMS notNull[int64] `json:"duration_ms"`
	}
	if err := decodeBody(w, r, limit, &body, jsonv2.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	var f fields
	p := runPatch{
		Status:         f.status(f.given("status", body.Status)),
		StartedAt:      f.time("started_at", f.given("started_at", body.StartedAt)),
		CompletedAt:    f.time("completed_at", f.given("completed_at", body.CompletedAt)),
		DurationMS:     f.count("duration_ms", body.DurationMS.v),
		SummaryMetrics: f.object("summary_metrics", orElse(body.SummaryMetrics.v, nil)),
	}
	if p.Status == nil && p.StartedAt == nil && p.CompletedAt == nil && p.DurationMS == nil && p.SummaryMetrics == nil && f.fault == nil {
		return nil, invalidBody("", "changes nothing: it takes status, started_at, completed_at, duration_ms and summary_metrics").answer()
	}
	if f.fault != nil {
		return nil, f.fault.answer()
	}
	return &p, nil
}
