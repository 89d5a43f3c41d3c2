package migrator

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pressly/goose/v3"
)

// ErrRights is returned when the role may not do what the migrations do. Nothing was changed.
var ErrRights = errors.New("nothing was applied")

var createsSchema = regexp.MustCompile(`(?im)^CREATE\s+SCHEMA\b`)

// rights are what the role of a connection may do, with names as SQL writes them. The owner is that of the version table, when
// that is another role of whose rights this one has none.
const rights = `
SELECT quote_ident(current_user), quote_ident(current_database()), coalesce(quote_ident(current_schema()), ''),
       has_database_privilege(current_database(), 'CREATE'), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
       coalesce((SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class
                 WHERE oid = to_regclass($1) AND NOT pg_has_role(relowner, 'USAGE')), '')`

// checkRights refuses the steps when the role lacks a right that they need: the migration that needs it would fail, after
// those before it are applied. The error names the grants.
func (m *Migrator) checkRights(ctx context.Context, steps []Step) error {
	if len(steps) == 0 {
		return nil
	}
	var role, name, schema, owner string
	var inDatabase, inSchema bool
	row := m.session.conn.QueryRow(ctx, rights, goose.DefaultTablename)
	if err := row.Scan(&role, &name, &schema, &inDatabase, &inSchema, &owner); err != nil {
		return fmt.Errorf("read the rights of the role: %w", err)
	}
	var lacks []string
	lack := func(format string, args ...any) { lacks = append(lacks, fmt.Sprintf(format, args...)) }
	switch {
	case owner != "":
		lack("its tables belong to the role %s: migrate as that, or GRANT %s TO %s;", owner, owner, role)
	case schema == "":
		lack("the search_path of the role names no schema that exists")
	case !inSchema:
		lack("tables are made in the schema %s: GRANT CREATE ON SCHEMA %s TO %s;", schema, schema, role)
	}
	for _, step := range steps {
		if !inDatabase && createsSchema.MatchString(step.SQL(Up)) {
			lack("%s%s makes a schema: GRANT CREATE ON DATABASE %s TO %s;", folder, step.File, name, role)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("the role %s may not do in the database %s what the migrations do, so %w:\n  %s\n"+
		"The owner of the database and a superuser may grant that", role, name, ErrRights, strings.Join(lacks, "\n  "))
}
