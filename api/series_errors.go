package api

import (
	"errors"
	"net/http"
	"slices"

	"foldbook/questdb"
)

var (
	errSeriesOff    = &apiError{status: http.StatusServiceUnavailable, code: ErrorCodeQuestdbUnavailable, message: "this service is set up without QuestDB, which has the series"}
	errSeriesAway   = &apiError{status: http.StatusServiceUnavailable, code: ErrorCodeQuestdbUnavailable, message: "QuestDB, which has the series, cannot be reached"}
	errSeriesBusy   = &apiError{status: http.StatusServiceUnavailable, code: ErrorCodeQuestdbUnavailable, message: "QuestDB, which has the series, is busy"}
	errSeriesBroken = &apiError{status: http.StatusBadGateway, code: ErrorCodeQuestdbUnavailable, message: "the answer of QuestDB, which has the series, cannot be used"}
	errSeriesHeld   = &apiError{status: http.StatusServiceUnavailable, code: ErrorCodeQuestdbUnavailable, message: "the rows are stored, but QuestDB does not show them yet"}
	errNoSeries     = &apiError{status: http.StatusNotFound, code: ErrorCodeMeasurementNotFound, message: "QuestDB has no such table"}
)

func measurementNotFound(name string) error {
	return &apiError{status: http.StatusNotFound, code: ErrorCodeMeasurementNotFound, message: "QuestDB has no table " + name}
}

// seriesErrors are the answers to what package questdb reports; the first that fits counts.
var seriesErrors = []struct {
	is     error
	answer *apiError
}{
	{questdb.ErrNoTable, errNoSeries},
	{questdb.ErrInvalidName, errNoSeries},
	{questdb.ErrNoColumn, &apiError{status: http.StatusBadRequest, code: ErrorCodeInvalidParameter, message: "the table has no such column"}},
	{questdb.ErrBusy, errSeriesBusy},
	{questdb.ErrUnavailable, errSeriesAway},
	{questdb.ErrTimeout, errTimeout},
	{questdb.ErrSuspended, errSeriesHeld},
	{questdb.ErrNotVisible, errSeriesHeld},
	{questdb.ErrBroken, errSeriesBroken},
}

// isSeries tells errors of QuestDB from those of PostgreSQL: both may come down to the same one of the network.
func isSeries(err error) bool {
	var refused *questdb.Refused
	return errors.As(err, &refused) || slices.ContainsFunc(seriesErrors, func(e struct {
		is     error
		answer *apiError
	}) bool {
		return errors.Is(err, e.is)
	})
}

func classifySeries(err error) *apiError {
	for _, e := range seriesErrors {
		if errors.Is(err, e.is) {
			return e.answer
		}
	}
	return errSeriesBroken // a statement of this service that QuestDB refuses
}
