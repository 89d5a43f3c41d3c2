package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// Tracing sends spans to a collector. It is off without an address; the other OTEL_* variables work as OpenTelemetry's SDK has them.
type Tracing struct{ provider *trace.TracerProvider }

// StartTracing begins to send spans by OTLP over HTTP to an endpoint such as http://collector:4318; nil when that is empty.
func StartTracing(ctx context.Context, endpoint, version string, log *slog.Logger) (*Tracing, error) {
	if endpoint == "" {
		return nil, nil //nolint:nilnil // tracing is off
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimRight(endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the default one prints the address
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		log.Warn("spans were not sent", "cause", err.Error())
	}))
	about, err := resource.Merge(resource.NewSchemaless(
		attribute.String("service.name", "foldbook"), attribute.String("service.version", version)), resource.Environment())
	if err != nil {
		return nil, fmt.Errorf("describe the source of traces: %w", err)
	}
	return &Tracing{trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))}, nil
}

// Stop sends what is left, for at most a second: a collector that is away does not hold up the end.
func (t *Tracing) Stop(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = t.provider.Shutdown(ctx)
}

// Handler makes a span of each request, named after its route, below that of the caller.
func (t *Tracing) Handler(h http.Handler) http.Handler {
	if t == nil {
		return h
	}
	name := func(_ string, r *http.Request) string { return r.Method + " " + r.Pattern }
	return otelhttp.NewHandler(h, "", otelhttp.WithSpanNameFormatter(name), otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}), otelhttp.WithMeterProvider(noop.NewMeterProvider()))
}

// Queries makes a span of each query, named as in sql/.
func (t *Tracing) Queries() []pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return []pgx.QueryTracer{otelpgx.NewTracer(otelpgx.WithTracerProvider(t.provider), otelpgx.WithSpanNameFunc(QueryName),
		otelpgx.WithDisableAcquireTracer(), otelpgx.WithDisableConnectionDetailsInAttributes(), otelpgx.WithDisableSQLStatementInAttributes())}
}

// TraceID is that of the request's span, or without tracing the one that the caller has sent; empty if there is none.
func TraceID(r *http.Request) string {
	span := oteltrace.SpanContextFromContext(r.Context())
	if !span.IsValid() && r.Header.Get("Traceparent") != "" {
		carrier := propagation.HeaderCarrier(r.Header)
		span = oteltrace.SpanContextFromContext(propagation.TraceContext{}.Extract(r.Context(), carrier))
	}
	if !span.HasTraceID() {
		return ""
	}
	return span.TraceID().String()
}
