package api

import (
	"errors"
	"net/http"

	"foldbook/api/spec"
	"foldbook/questdb"
)

var (
	errSeriesOff = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeQuestdbUnavailable,
		"this service is set up without QuestDB, which has the series")
	errSeriesAway = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeQuestdbUnavailable,
		"QuestDB, which has the series, cannot be reached")
	errSeriesBusy = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeQuestdbUnavailable,
		"QuestDB, which has the series, is busy")
	errSeriesBroken = spec.NewProblem(http.StatusBadGateway, spec.ErrorCodeQuestdbUnavailable,
		"the answer of QuestDB, which has the series, cannot be used")
	errSeriesHeld = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeQuestdbUnavailable,
		"the rows are stored, but QuestDB does not show them yet")
	errUnconfirmed = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeQuestdbUnavailable,
		"QuestDB did not confirm the rows: all of them are stored, or none: repeat the request, which stores nothing twice")
	errNoSeries = spec.NewProblem(http.StatusNotFound, spec.ErrorCodeMeasurementNotFound, "QuestDB has no such table")
)

func measurementNotFound(name string) error {
	return spec.NewProblem(http.StatusNotFound, spec.ErrorCodeMeasurementNotFound, "QuestDB has no table "+name)
}

// seriesErrors are the answers to what package questdb reports; the first that fits counts.
var seriesErrors = []struct {
	is     error
	answer *spec.Problem
}{
	{questdb.ErrUnanswered, errUnconfirmed}, // which says more than why
	{questdb.ErrNotVisible, errSeriesHeld},
	{questdb.ErrSuspended, errSeriesHeld},
	{questdb.ErrNoTable, errNoSeries},
	{questdb.ErrInvalidName, errNoSeries},
	{questdb.ErrNoColumn, spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidParameter, "the table has no such column")},
	{questdb.ErrWhole, spec.NewProblem(http.StatusConflict, spec.ErrorCodeConflict,
		"a column that gets fractions has whole numbers beyond 2^53 already, which they would round: send it under another name")},
	{questdb.ErrBusy, errSeriesBusy},
	{questdb.ErrUnavailable, errSeriesAway},
	{questdb.ErrTimeout, errTimeout},
	{questdb.ErrBroken, errSeriesBroken},
}

// seriesAnswer is the answer to an error of QuestDB, and nil for any other: both databases may report the same network error.
func seriesAnswer(err error) *spec.Problem {
	for _, e := range seriesErrors {
		if errors.Is(err, e.is) {
			return e.answer
		}
	}
	var refused *questdb.Refused
	if errors.As(err, &refused) { // a statement of this service
		return errSeriesBroken
	}
	return nil
}
