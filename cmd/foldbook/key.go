package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"foldbook/db"
	"foldbook/internal/access"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key and print it, once."`
	List   keyListCmd   `cmd:"" help:"List the keys, without their secrets."`
	Revoke keyRevokeCmd `cmd:"" help:"End a key."`
	Rotate keyRotateCmd `cmd:"" help:"Make a key with the rights of another, and end that one."`
}

// Help is the text below the summary.
func (keyCmd) Help() string {
	return `Works on the database at POSTGRES_URL; the service need not run. A running service notices within 5 s. Keys are asked for where
AUTH_MODE has keys. A key is stored as its SHA-256, so it is shown once.

Examples:

	foldbook key create exporter --scope write --expires 90d
	foldbook key create notebook
	foldbook key list
	foldbook key rotate 3k7qa2xw --keep 1h
	foldbook key revoke 3k7qa2xw`
}

// maxKeysListed is more keys than an installation has.
const maxKeysListed = 10_000

type keyCreateCmd struct {
	Name    string `arg:"" help:"What the key is for, as key list shows it."`
	Scope   string `enum:"read,write,admin,metrics" default:"read" help:"What it allows: read, write (and read), admin (everything), metrics."`
	Expires string `help:"After how long it ends, like 12h, 90d or 1y; without it, never."`
}

// Run makes a key.
func (c keyCreateCmd) Run(a *app) error {
	params := db.CreateAccessKeyParams{Name: c.Name, Scope: c.Scope}
	if c.Expires != "" {
		after, err := lifetime(c.Expires)
		if err != nil {
			return usageError("--expires " + err.Error())
		}
		at := time.Now().Add(after)
		params.ExpiresAt = &at
	}
	return a.withKeys(func(store *db.DB) error {
		return a.createKey(store, func(*db.Queries) (db.CreateAccessKeyParams, error) { return params, nil })
	})
}

// createKey stores a new key and prints it, once it is stored.
func (a *app) createKey(store *db.DB, wanted func(*db.Queries) (db.CreateAccessKeyParams, error)) error {
	key, id, hash := access.NewKey()
	err := store.InTx(a.ctx, false, func(q *db.Queries) error {
		params, err := wanted(q)
		if err != nil {
			return err
		}
		params.KeyID, params.SecretHash = id, hash
		if _, err = q.CreateAccessKey(a.ctx, params); err != nil {
			return fmt.Errorf("store the key: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(a.err, "the key %s: keep it now, it is not shown again\n", id)
	_, err = fmt.Fprintln(a.out, key)
	return err
}

type keyListCmd struct{}

// Run lists the keys.
func (keyListCmd) Run(a *app) error {
	return a.withKeys(func(store *db.DB) error {
		rows, err := store.ListAccessKeys(a.ctx, maxKeysListed)
		if err != nil {
			return fmt.Errorf("list the keys: %w", err)
		}
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "KEY\tNAME\tSCOPE\tCREATED\tEXPIRES\tREVOKED\tLAST USED")
		for i := range rows {
			r := &rows[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.KeyID, r.Name, r.Scope, moment(&r.CreatedAt), moment(r.ExpiresAt),
				moment(r.RevokedAt), moment(r.LastUsedAt))
		}
		return w.Flush()
	})
}

func moment(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format("2006-01-02T15:04Z")
}

type keyRevokeCmd struct {
	ID string `arg:"" help:"The key's id, which is the part between fb_ and the next _."`
}

// Run ends a key.
func (c keyRevokeCmd) Run(a *app) error {
	return a.withKeys(func(store *db.DB) error {
		if _, err := a.revoke(store.Queries, db.RevokeAccessKeyParams{KeyID: keyID(c.ID)}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "key %s is revoked; running services take it for at most 5 s more\n", keyID(c.ID))
		return err
	})
}

type keyRotateCmd struct {
	ID   string `arg:"" help:"The key's id."`
	Keep string `default:"0s" help:"For how long the old key still works, like 1h."`
}

// Run makes a successor of a key.
func (c keyRotateCmd) Run(a *app) error {
	keep, err := lifetime(c.Keep)
	if err != nil {
		return usageError("--keep " + err.Error())
	}
	return a.withKeys(func(store *db.DB) error {
		return a.createKey(store, func(q *db.Queries) (db.CreateAccessKeyParams, error) {
			old, err := a.revoke(q, db.RevokeAccessKeyParams{KeyID: keyID(c.ID), Seconds: keep.Seconds(), InUse: true})
			params := db.CreateAccessKeyParams{Name: old.Name, Scope: old.Scope}
			if old.ExpiresAt != nil { // the new one lives as long as the old one was to
				at := time.Now().Add(old.ExpiresAt.Sub(old.CreatedAt))
				params.ExpiresAt = &at
			}
			return params, err
		})
	})
}

// revoke ends a key after a time.
func (a *app) revoke(q *db.Queries, params db.RevokeAccessKeyParams) (db.RevokeAccessKeyRow, error) {
	row, err := q.RevokeAccessKey(a.ctx, params)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, usageError(fmt.Sprintf("there is no key %s, or it has ended: foldbook key list shows them", params.KeyID))
	} else if err != nil {
		return row, fmt.Errorf("revoke the key: %w", err)
	}
	return row, nil
}

// keyID takes a whole key for its id, so that nobody prints a secret by mistake.
func keyID(text string) string {
	text = strings.TrimPrefix(text, "fb_")
	return text[:min(len(text), 8)]
}

// lifetime reads a duration with days and years as well.
func lifetime(text string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "y": 365 * 24 * time.Hour} {
		if n, err := strconv.ParseUint(strings.TrimSuffix(text, unit), 10, 16); err == nil && strings.HasSuffix(text, unit) {
			return time.Duration(n) * length, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("is no duration: write it like 12h, 90d or 1y")
	}
	return d, nil
}

// withKeys opens the database of the settings.
func (a *app) withKeys(f func(*db.DB) error) error {
	cfg, err := loadConfig(a.env)
	if err != nil {
		return err
	}
	store, err := cfg.openDB()
	if err != nil {
		return err
	}
	defer store.Close()
	return connectFailure(store, f(store))
}
