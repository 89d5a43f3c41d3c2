package api

import (
	"errors"
	"net/http"

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

// seriesAnswer is the answer to an error of QuestDB, nil to any other: both databases may fail with the same one of the network.
func seriesAnswer(err error) *apiError {
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
