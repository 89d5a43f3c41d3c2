package api

import (
	"fmt"
	"slices"
	"strconv"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
)

// runUpload is a posted run, checked and ready to be stored.
type runUpload struct {
	Run      db.UpsertRunParams
	Dataset  string    // its id or slug, as it is given
	Folds    *foldList // nil: the stored folds stay
	Warnings []string
}

type runFields struct {
	RunID                 *string      `json:"run_id"`
	DatasetID             *string      `json:"dataset_id"`
	PredictionMeasurement *string      `json:"prediction_measurement"`
	TargetColumn          *string      `json:"target_column"`
	FeatureColumns        httpbody.Raw `json:"feature_columns"`
	Features              httpbody.Raw `json:"features"`
	Hyperparameters       httpbody.Raw `json:"hyperparameters"`
	WalkConfig            httpbody.Raw `json:"walk_config"`
	SummaryMetrics        httpbody.Raw `json:"summary_metrics"`
	Status                *string      `json:"status"`
	RequestedBy           *string      `json:"requested_by"`
	CreatedAt             *string      `json:"created_at"`
	StartedAt             *string      `json:"started_at"`
	CompletedAt           *string      `json:"completed_at"`
	DurationMS            *int64       `json:"duration_ms"`
	SerializedConfig      *string      `json:"serialized_config"`
	identity
	lineage
	Unknown httpbody.Unknown `json:",embed"`
}

// readRun reads {"run": {…}, "folds": […]} or the same with the run's fields at the top.
func readRun(body *httpbody.Body) (*runUpload, error) {
	var b struct {
		Run *runFields `json:"run"`
		runFields
		Folds *foldList `json:"folds"`
	}
	if err := body.Decode(&b); err != nil {
		return nil, err
	}
	f, run := httpbody.Fields{}, &b.runFields
	warnings := append(body.Warnings(), run.Unknown.Warnings("")...)
	if b.Run != nil {
		if run.RunID != nil || run.DatasetID != nil {
			f.Fail("run", "is given beside the fields of a run")
		}
		f.Path, run = "run", b.Run
		warnings = append(warnings, run.Unknown.Warnings("run")...)
	}
	u := &runUpload{Run: run.row(&f), Dataset: orElse(run.DatasetID, ""), Warnings: warnings}
	if f.Err() != nil {
		return nil, f.Err()
	}
	if u.Folds = b.Folds; u.Folds != nil {
		if wrong := u.Folds.of(u.Run.RunID); wrong != nil {
			return nil, wrong
		}
		u.Warnings = append(append(u.Warnings, u.Folds.Warnings("folds[]")...), u.compareFolds()...)
	}
	return u, nil
}

func (b *runFields) row(f *httpbody.Fields) db.UpsertRunParams {
	features := b.FeatureColumns
	if features == nil {
		features = httpbody.Raw(f.Array("features", b.Features, jsontext.KindString, "texts"))
	}
	tags, parent := b.readTags(f), b.readParent(f)
	return db.UpsertRunParams{
		Name: b.Name, Tags: tags, Notes: b.Notes, InitialCapital: b.InitialCapital, CostModel: []byte(b.CostModel),
		ParentRunID: parent, SearchID: b.SearchID, GitCommit: b.GitCommit, TargetHorizonBars: b.TargetHorizonBars,
		RunID:                 f.RequiredID("run_id", b.RunID),
		DatasetID:             f.Reference("dataset_id", b.DatasetID),
		PredictionMeasurement: httpbody.Required(f, "prediction_measurement", f.Name("prediction_measurement", b.PredictionMeasurement)),
		TargetColumn:          orElse(f.Name("target_column", b.TargetColumn), ""),
		FeatureColumns:        orJSON(f.Array("feature_columns", features, jsontext.KindString, "texts"), "[]"),
		Hyperparameters:       orJSON(f.Object("hyperparameters", b.Hyperparameters), "{}"),
		WalkConfig:            orJSON(f.Object("walk_config", b.WalkConfig), "{}"),
		SummaryMetrics:        orJSON(f.Object("summary_metrics", b.SummaryMetrics), "{}"),
		Status:                orElse(statusOf(f, b.Status), string(spec.StatusPENDING)),
		RequestedBy:           b.RequestedBy,
		CreatedAt:             f.Time("created_at", b.CreatedAt),
		StartedAt:             f.Time("started_at", b.StartedAt),
		CompletedAt:           f.Time("completed_at", b.CompletedAt),
		DurationMS:            f.Count("duration_ms", b.DurationMS),
		SerializedConfig:      b.SerializedConfig,
	}
}

func orJSON(v []byte, other string) []byte {
	if v == nil {
		return []byte(other)
	}
	return v
}

// statusOf reads the status of a run or simulation.
func statusOf(f *httpbody.Fields, text *string) *string {
	return f.OneOf("status", text, string(spec.StatusPENDING), string(spec.StatusQUEUED), string(spec.StatusRUNNING),
		string(spec.StatusCOMPLETED),
		string(spec.StatusINCOMPLETE), string(spec.StatusFAILED), string(spec.StatusCANCELLED))
}

// compareFolds warns when the number of folds in the run's summary differs from those in the body.
func (u *runUpload) compareFolds() []string {
	var summary struct {
		Folds httpbody.Raw `json:"folds"`
	}
	if err := jsonv2.Unmarshal(u.Run.SummaryMetrics, &summary); err != nil || summary.Folds == nil {
		return nil
	}
	if n, err := strconv.ParseFloat(string(summary.Folds), 64); err == nil && n == float64(u.Folds.Len()) {
		return nil
	}
	return []string{fmt.Sprintf("summary_metrics.folds is %s, but %d folds were posted", httpbody.Shorten(string(summary.Folds)),
		u.Folds.Len())}
}

// foldList is the folds of a body, one row each.
type foldList struct {
	httpbody.List[foldFields, db.CopyFoldsParams]
	numbers map[int32]int32
	parents httpbody.Parents
}

type foldFields struct {
	RunID          *string          `json:"run_id"`
	FoldNumber     *int32           `json:"fold_number"`
	TrainStartIdx  *int64           `json:"train_start_idx"`
	TrainEndIdx    *int64           `json:"train_end_idx"`
	TestStartIdx   *int64           `json:"test_start_idx"`
	TestEndIdx     *int64           `json:"test_end_idx"`
	SamplesTrain   *int64           `json:"samples_train"`
	SamplesTest    *int64           `json:"samples_test"`
	BestIteration  *int32           `json:"best_iteration"`
	BestScore      *float64         `json:"best_score"`
	Thresholds     httpbody.Raw     `json:"thresholds"`
	Metrics        httpbody.Raw     `json:"metrics"`
	TrainStartTSMS *int64           `json:"train_start_ts_ms"`
	TrainEndTSMS   *int64           `json:"train_end_ts_ms"`
	TestStartTSMS  *int64           `json:"test_start_ts_ms"`
	TestEndTSMS    *int64           `json:"test_end_ts_ms"`
	Unknown        httpbody.Unknown `json:",embed"`
}

// UnmarshalJSONFrom reads the folds; a validation error names its fold.
func (l *foldList) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	l.numbers, l.parents = map[int32]int32{}, nil
	return l.Read(dec, foldRow, func(f *httpbody.Fields, i int, row *db.CopyFoldsParams) {
		l.parents.Note(f, "run_id", row.RunID)
		httpbody.Unique(f, "fold_number", l.numbers, row.FoldNumber, i)
	})
}

func foldRow(f *httpbody.Fields, b *foldFields) db.CopyFoldsParams {
	row := db.CopyFoldsParams{
		RunID:          f.ID("run_id", b.RunID),
		FoldNumber:     httpbody.Required(f, "fold_number", b.FoldNumber),
		TrainStartIdx:  httpbody.Required(f, "train_start_idx", b.TrainStartIdx),
		TrainEndIdx:    httpbody.Required(f, "train_end_idx", b.TrainEndIdx),
		TestStartIdx:   httpbody.Required(f, "test_start_idx", b.TestStartIdx),
		TestEndIdx:     httpbody.Required(f, "test_end_idx", b.TestEndIdx),
		SamplesTrain:   httpbody.Required(f, "samples_train", f.Count("samples_train", b.SamplesTrain)),
		SamplesTest:    httpbody.Required(f, "samples_test", f.Count("samples_test", b.SamplesTest)),
		BestIteration:  b.BestIteration,
		BestScore:      b.BestScore,
		Thresholds:     orJSON(f.Object("thresholds", b.Thresholds), "{}"),
		Metrics:        orJSON(f.Object("metrics", b.Metrics), "{}"),
		TrainStartTSMS: f.Epoch("train_start_ts_ms", b.TrainStartTSMS),
		TrainEndTSMS:   f.Epoch("train_end_ts_ms", b.TrainEndTSMS),
		TestStartTSMS:  f.Epoch("test_start_ts_ms", b.TestStartTSMS),
		TestEndTSMS:    f.Epoch("test_end_ts_ms", b.TestEndTSMS),
	}
	f.Ignore(b.Unknown)
	switch {
	case row.FoldNumber < 0:
		f.Fail("fold_number", "must not be below 0")
	case row.TrainEndIdx < row.TrainStartIdx:
		f.Fail("train_end_idx", "must not be below train_start_idx")
	case row.TestEndIdx < row.TestStartIdx:
		f.Fail("test_end_idx", "must not be below test_start_idx")
	}
	*b = foldFields{}
	return row
}

// count is how many folds were given.
func (l *foldList) count() int {
	if l == nil {
		return 0
	}
	return l.Len()
}

// of tells whether all folds belong to the run.
func (l *foldList) of(run uuid.UUID) error {
	return l.parents.Check(run, "is not the run_id of the run")
}

// store hands the folds out in pieces, as rows of the run.
func (l *foldList) store(run uuid.UUID, store func([]db.CopyFoldsParams) error) error {
	return l.Each(func(_ int, row *db.CopyFoldsParams) { row.RunID = run }, store)
}

// foldsBody is {"folds": […]} or the array alone.
type foldsBody struct {
	Folds   *foldList        `json:"folds"`
	Unknown httpbody.Unknown `json:",embed"`
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

// readFolds reads folds of a run that is already stored. It returns warnings too.
func readFolds(body *httpbody.Body, runID uuid.UUID) (*foldList, []string, error) {
	var b foldsBody
	if err := body.Decode(&b); err != nil {
		return nil, nil, err
	}
	if b.Folds == nil {
		return nil, nil, httpbody.Invalid("folds", "is missing")
	}
	if wrong := b.Folds.of(runID); wrong != nil {
		return nil, nil, wrong
	}
	return b.Folds, slices.Concat(body.Warnings(), b.Unknown.Warnings(""), b.Folds.Warnings("folds[]")), nil
}

// patchFields are the fields that a run and a simulation both let change.
type patchFields struct {
	Status         httpbody.NotNull[string]       `json:"status"`
	StartedAt      httpbody.NotNull[string]       `json:"started_at"`
	CompletedAt    httpbody.NotNull[string]       `json:"completed_at"`
	SummaryMetrics httpbody.NotNull[httpbody.Raw] `json:"summary_metrics"`
	identity
}

// readRunPatch reads the change of a run. It refuses unknown fields: a PATCH that ignores one would look as if it had changed
// something.
func readRunPatch(body *httpbody.Body) (*db.PatchRunParams, error) {
	var b struct {
		patchFields
		DurationMS httpbody.NotNull[int64] `json:"duration_ms"`
		lineage
	}
	if err := body.Decode(&b, jsonv2.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	var f httpbody.Fields
	p := b.patch(&f)
	p.DurationMS = f.Count("duration_ms", b.DurationMS.Value)
	p.ParentRunID = b.readParent(&f)
	p.SearchID, p.GitCommit, p.TargetHorizonBars = b.SearchID, b.GitCommit, b.TargetHorizonBars
	if !b.patchFields.given() && !b.lineage.given() && p.DurationMS == nil && f.Err() == nil {
		return nil, httpbody.Invalid("", "changes nothing: it takes status, started_at, completed_at, duration_ms, summary_metrics, name, tags, "+
			"notes, parent_run_id, search_id, git_commit, initial_capital, target_horizon_bars and cost_model")
	}
	return &p, f.Err()
}

// readSimulationPatch reads the change of a simulation.
func readSimulationPatch(body *httpbody.Body) (*db.PatchSimulationParams, error) {
	var b struct{ patchFields }
	if err := body.Decode(&b, jsonv2.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	var f httpbody.Fields
	p := b.patch(&f)
	if !b.given() && f.Err() == nil {
		return nil, httpbody.Invalid("", "changes nothing: it takes status, started_at, completed_at, summary_metrics, name, tags, notes, "+
			"initial_capital and cost_model")
	}
	return &db.PatchSimulationParams{Status: p.Status, StartedAt: p.StartedAt, CompletedAt: p.CompletedAt, SummaryMetrics: p.SummaryMetrics,
		Name: p.Name, Tags: p.Tags, Notes: p.Notes, InitialCapital: p.InitialCapital, CostModel: p.CostModel}, f.Err()
}

func (b *patchFields) given() bool {
	return b.Status.Value != nil || b.StartedAt.Value != nil || b.CompletedAt.Value != nil ||
		b.SummaryMetrics.Value != nil || b.identity.given()
}

// patch checks the fields.
func (b *patchFields) patch(f *httpbody.Fields) db.PatchRunParams {
	return db.PatchRunParams{
		Status:         statusOf(f, f.NotEmpty("status", b.Status)),
		StartedAt:      f.Time("started_at", f.NotEmpty("started_at", b.StartedAt)),
		CompletedAt:    f.Time("completed_at", f.NotEmpty("completed_at", b.CompletedAt)),
		SummaryMetrics: f.Object("summary_metrics", orElse(b.SummaryMetrics.Value, nil)),
		Name:           b.Name, Tags: b.readTags(f), Notes: b.Notes, InitialCapital: b.InitialCapital, CostModel: []byte(b.CostModel),
	}
}
