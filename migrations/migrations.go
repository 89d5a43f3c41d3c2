// Package migrations holds the schema of the metadata store as goose migrations.
package migrations

import "embed"

// FS holds the migrations, named NNNNN_subject.sql, each with its Up and its Down part.
//
//go:embed *.sql
var FS embed.FS
