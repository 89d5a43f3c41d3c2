package experiment

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// WalkConfig lays out the folds of a run, in frame rows. The gap keeps the targets of the last training
// rows, which look horizon rows ahead, out of the test window.
type WalkConfig struct {
	TrainSize             int    `json:"train_size"`
	TestSize              int    `json:"test_size"`
	TrainTestGap          int    `json:"train_test_gap"`
	FoldStep              int    `json:"fold_step"`
	StepSize              int    `json:"step_size"` // the same, as the dashboard reads it
	InitialOffset         int    `json:"initial_offset"`
	StartFold             int    `json:"start_fold"`
	EndFold               int    `json:"end_fold"`
	PredictionMeasurement string `json:"prediction_measurement"`
}

// Thresholds are the predictions (percent) from which a fold trades, all taken from its training window.
// Long at or above LongOptimal, short at or below ShortOptimal.
type Thresholds struct {
	LongOptimal     float64 `json:"long_optimal"`
	ShortOptimal    float64 `json:"short_optimal"`
	LongPercentile  float64 `json:"long_percentile"`
	ShortPercentile float64 `json:"short_percentile"`
}

// FoldMetrics are the figures of a fold's test window (training window where the name says so). Returns
// are targets in percent, before fees, turned in sign for shorts; losses are positive sums; the running
// sums go over this fold and all before it; a ratio without losses is null.
type FoldMetrics struct {
	HitRate                     float64  `json:"hit_rate"`
	ShortHitRate                float64  `json:"short_hit_rate"`
	ProfitFactorTest            *float64 `json:"profit_factor_test"`
	ProfitFactorTrain           *float64 `json:"profit_factor_train"`
	ProfitFactorShortTest       *float64 `json:"profit_factor_short_test"`
	ProfitFactorShortTrain      *float64 `json:"profit_factor_short_train"`
	ProfitFactorDual            *float64 `json:"profit_factor_dual"` // of both sides, test window
	NSignals                    int      `json:"n_signals"`
	NShortSignals               int      `json:"n_short_signals"`
	SignalSum                   float64  `json:"signal_sum"`
	ShortSignalSum              float64  `json:"short_signal_sum"`
	SignalRate                  float64  `json:"signal_rate"`
	ShortSignalRate             float64  `json:"short_signal_rate"`
	AvgReturnOnSignals          float64  `json:"avg_return_on_signals"`
	MedianReturnOnSignals       float64  `json:"median_return_on_signals"`
	StdReturnOnSignals          float64  `json:"std_return_on_signals"`
	AvgReturnOnShortSignals     float64  `json:"avg_return_on_short_signals"`
	AvgPredictedReturnOnSignals float64  `json:"avg_predicted_return_on_signals"`
	RunningSum                  float64  `json:"running_sum"`
	RunningSumShort             float64  `json:"running_sum_short"`
	RunningSumDual              float64  `json:"running_sum_dual"`
	SumWins                     float64  `json:"sum_wins"`
	SumLosses                   float64  `json:"sum_losses"`
	SumShortWins                float64  `json:"sum_short_wins"`
	SumShortLosses              float64  `json:"sum_short_losses"`
	ModelLearnedNothing         bool     `json:"model_learned_nothing"`
	UsedCachedModel             bool     `json:"used_cached_model"`
}

// Fold is one step of a walk-forward as it is posted: row ranges are half-open, and the time of a window's end is
// the end of its last bar.
type Fold struct {
	Number       int         `json:"fold_number"`
	TrainStart   int         `json:"train_start_idx"`
	TrainEnd     int         `json:"train_end_idx"`
	TestStart    int         `json:"test_start_idx"`
	TestEnd      int         `json:"test_end_idx"`
	SamplesTrain int         `json:"samples_train"`
	SamplesTest  int         `json:"samples_test"`
	Trees        *int32      `json:"best_iteration,omitempty"` // of boosted trees, how many
	Score        float64     `json:"best_score"`               // root mean square error over the test window, percent
	Thresholds   Thresholds  `json:"thresholds"`
	Metrics      FoldMetrics `json:"metrics"`
	TrainStartMS int64       `json:"train_start_ts_ms"`
	TrainEndMS   int64       `json:"train_end_ts_ms"`
	TestStartMS  int64       `json:"test_start_ts_ms"`
	TestEndMS    int64       `json:"test_end_ts_ms"`

	predictions []float64 // of the test window, percent
}

// walkForward fits a model on each training window and judges it on the test window that follows.
func walkForward(f frame, cfg WalkConfig, folds int, h Hyperparameters) ([]Fold, error) {
	if end := cfg.InitialOffset + (folds-1)*cfg.FoldStep + cfg.TrainSize + cfg.TrainTestGap + cfg.TestSize; end > len(f.rows) {
		return nil, fmt.Errorf("lay out folds: they end at row %d of %d", end, len(f.rows))
	}
	out := make([]Fold, folds)
	var long, short float64
	for n := range out {
		fd := Fold{Number: n, SamplesTrain: cfg.TrainSize, SamplesTest: cfg.TestSize, TrainStart: cfg.InitialOffset + n*cfg.FoldStep}
		fd.TrainEnd = fd.TrainStart + cfg.TrainSize
		fd.TestStart = fd.TrainEnd + cfg.TrainTestGap
		fd.TestEnd = fd.TestStart + cfg.TestSize
		fd.TrainStartMS, fd.TrainEndMS = f.span(fd.TrainStart, fd.TrainEnd)
		fd.TestStartMS, fd.TestEndMS = f.span(fd.TestStart, fd.TestEnd)

		train, trainTarget := f.rows[fd.TrainStart:fd.TrainEnd], f.target[fd.TrainStart:fd.TrainEnd]
		predict, err := fd.fit(train, trainTarget, h)
		if err != nil {
			return nil, fmt.Errorf("fit fold %d: %w", n, err)
		}
		trainPredictions := predict(train)
		fd.Thresholds = chooseThresholds(trainPredictions, trainTarget)

		testTarget := f.target[fd.TestStart:fd.TestEnd]
		fd.predictions = predict(f.rows[fd.TestStart:fd.TestEnd])
		fd.Score = widened(rootMeanSquareError(fd.predictions, testTarget))
		fd.Metrics = judge(fd.Thresholds, trainPredictions, trainTarget, fd.predictions, testTarget)
		long += fd.Metrics.SignalSum
		short += fd.Metrics.ShortSignalSum
		fd.Metrics.RunningSum, fd.Metrics.RunningSumShort, fd.Metrics.RunningSumDual = long, short, long+short
		out[n] = fd
	}
	return out, nil
}

// fit fits the model that is asked for, and returns its predictions.
func (fd *Fold) fit(rows [][]float64, target []float64, h Hyperparameters) (predict func([][]float64) []float64, err error) {
	if h.LearningRate > 0 {
		model := fitBoosted(rows, target, h)
		fd.Trees = new(int32(len(model.trees)))
		return model.predict, nil
	}
	model, err := fitRidge(rows, target, h.Lambda)
	return model.predict, err
}

// widened is x as a client holds it that computes in 32 bits and sends 64.
func widened(x float64) float64 { return float64(float32(x)) }

// chooseThresholds takes, for each side, the quantile of the predictions whose signals have the highest
// t statistic. The candidates are the outer 2 to 20 percent, so that long always lies above short.
func chooseThresholds(predictions, target []float64) Thresholds {
	sorted := slices.Sorted(slices.Values(predictions))
	quantile := func(percentile int) float64 { return sorted[(len(sorted)-1)*percentile/100] }
	t := Thresholds{LongPercentile: quantile(95), ShortPercentile: quantile(5)}
	bestLong, bestShort := math.Inf(-1), math.Inf(-1)
	for p := 2; p <= 20; p += 2 {
		if s := signalsOf(longSign, predictions, target, quantile(100-p)).tStatistic(); s > bestLong {
			bestLong, t.LongOptimal = s, quantile(100-p)
		}
		if s := signalsOf(shortSign, predictions, target, quantile(p)).tStatistic(); s > bestShort {
			bestShort, t.ShortOptimal = s, quantile(p)
		}
	}
	return t
}

// judge computes the metrics of one fold but for its running sums.
func judge(t Thresholds, trainPredictions, trainTarget, predictions, target []float64) FoldMetrics {
	long := signalsOf(longSign, predictions, target, t.LongOptimal)
	short := signalsOf(shortSign, predictions, target, t.ShortOptimal)
	longTrain := signalsOf(longSign, trainPredictions, trainTarget, t.LongOptimal)
	shortTrain := signalsOf(shortSign, trainPredictions, trainTarget, t.ShortOptimal)
	m := FoldMetrics{
		HitRate: long.hitRate(), ShortHitRate: short.hitRate(),
		ProfitFactorTest: ratio(long.wins, long.losses), ProfitFactorTrain: ratio(longTrain.wins, longTrain.losses),
		ProfitFactorShortTest: ratio(short.wins, short.losses), ProfitFactorShortTrain: ratio(shortTrain.wins, shortTrain.losses),
		ProfitFactorDual: ratio(long.wins+short.wins, long.losses+short.losses),
		NSignals:         len(long.returns), NShortSignals: len(short.returns),
		SignalSum: long.wins - long.losses, ShortSignalSum: short.wins - short.losses,
		SignalRate:      float64(len(long.returns)) / float64(len(target)),
		ShortSignalRate: float64(len(short.returns)) / float64(len(target)),
		SumWins:         long.wins, SumLosses: long.losses, SumShortWins: short.wins, SumShortLosses: short.losses,
	}
	m.AvgReturnOnSignals, m.StdReturnOnSignals = meanStd(long.returns)
	m.MedianReturnOnSignals = median(long.returns)
	m.AvgReturnOnShortSignals, _ = meanStd(short.returns)
	m.AvgPredictedReturnOnSignals, _ = meanStd(long.predicted)
	return m
}

// signals are the rows of a window on which one side would have been traded.
type signals struct {
	returns, predicted []float64 // percent
	hits               int       // returns above 0
	wins, losses       float64   // sums of the returns above and, turned positive, below 0
}

// The signs of the two sides: a short gains what the price loses.
const (
	longSign  = 1
	shortSign = -1
)

// signalsOf are the rows whose prediction reaches the threshold.
func signalsOf(sign float64, predictions, target []float64, threshold float64) signals {
	var s signals
	for r, p := range predictions {
		if sign*p < sign*threshold {
			continue
		}
		gain := sign * target[r]
		s.returns, s.predicted = append(s.returns, gain), append(s.predicted, p)
		if gain > 0 {
			s.hits++
			s.wins += gain
		} else {
			s.losses -= gain
		}
	}
	return s
}

func (s signals) hitRate() float64 {
	if len(s.returns) == 0 {
		return 0
	}
	return float64(s.hits) / float64(len(s.returns))
}

// tStatistic is the mean return in standard errors, -Inf when fewer than two signals say nothing.
func (s signals) tStatistic() float64 {
	mean, std := meanStd(s.returns)
	if len(s.returns) < 2 || std == 0 {
		return math.Inf(-1)
	}
	return mean / std * math.Sqrt(float64(len(s.returns)))
}

// ratio is a/b, nil when b is 0.
func ratio(a, b float64) *float64 {
	if b == 0 {
		return nil
	}
	r := a / b
	return &r
}

// median of no values is 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func rootMeanSquareError(predictions, target []float64) float64 {
	return floats.Distance(predictions, target, 2) / math.Sqrt(float64(len(target)))
}
