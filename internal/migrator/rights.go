package migrator

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// ErrRights is returned when the role may not do what the migrations do. Nothing was changed.
var ErrRights = errors.New("nothing was applied")

var createsSchema = regexp.MustCompile(`(?im)^CREATE\s+SCHEMA\b`)

// rights are what the role of a connection may do. The owner is that of the version table, when that is another role of
// whose rights this one has none.
const rights = `
SELECT current_user, current_database(), coalesce(current_schema(), ''),
       has_database_privilege(current_database(), 'CREATE'), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
       coalesce((SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass($1) AND NOT pg_has_role(relowner, 'USAGE')), '')`

// checkRights refuses the steps when the role lacks a right that they need: the migration that needs it would fail, after
// those before it are applied. The error names the grants.
func (m *Migrator) checkRights(ctx context.Context, steps []Step) error {
	if len(steps) == 0 {
		return nil
	}
	var role, name, schema, owner string
	var inDatabase, inSchema bool
	if err := m.session.conn.QueryRow(ctx, rights, goose.DefaultTablename).Scan(&role, &name, &schema, &inDatabase, &inSchema, &owner); err != nil {
		return fmt.Errorf("read the rights of the role: %w", err)
	}
	quote := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	var lacks []string
	switch {
	case owner != "":
		lacks = append(lacks, fmt.Sprintf("its tables belong to the role %s: migrate as that, or GRANT %s TO %s;", quote(owner), quote(owner), quote(role)))
	case schema == "":
		lacks = append(lacks, "the search_path of the role names no schema that exists")
	case !inSchema:
		lacks = append(lacks, fmt.Sprintf("tables are made in the schema %s: GRANT CREATE ON SCHEMA %s TO %s;", quote(schema), quote(schema), quote(role)))
	}
	for _, step := range steps {
		if !inDatabase && createsSchema.MatchString(step.SQL(Up)) {
			lacks = append(lacks, fmt.Sprintf("%s%s makes a schema: GRANT CREATE ON DATABASE %s TO %s;", folder, step.File, quote(name), quote(role)))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("the role %q may not do in the database %q what the migrations do, so %w:\n  %s\nThe owner of the database and a superuser may grant that",
		role, name, ErrRights, strings.Join(lacks, "\n  "))
}
