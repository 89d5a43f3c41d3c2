package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"foldbook/api/spec"
	"foldbook/db"
)

const (
	// keyFresh is for how long a key is not looked up again: a key that is revoked ends within it.
	keyFresh = 3 * time.Second
	// keyKept is for how long a key that was looked up is good while PostgreSQL does not answer.
	keyKept = 15 * time.Minute
	// keyPatience is for a look-up. It is what a request waits longer for while PostgreSQL is away, once in keyFresh.
	keyPatience = time.Second
	// maxKeys bounds the keys that are remembered; beyond it all are looked up anew.
	maxKeys = 10_000

	idLength, secretLength = 8, 43
)

var errAway = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeDatabaseUnavailable,
	"the database, which has the keys, cannot be reached")

// NewKey makes a key, fb_<id>_<256 random bits>, and what is stored of it.
func NewKey() (key, id, hash string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails
	id = strings.ToLower(rand.Text())[:idLength]
	key = "fb_" + id + "_" + base64.RawURLEncoding.EncodeToString(random[:])
	return key, id, hashOf(key)
}

func hashOf(key string) string {
	hash := sha256.Sum256([]byte(key))
	return hex.EncodeToString(hash[:])
}

// isKey tells texts that may be keys. PostgreSQL is asked for no other ones: it fails at what is not UTF-8.
func isKey(text string) bool {
	const characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	return len(text) == len("fb__")+idLength+secretLength && strings.HasPrefix(text, "fb_") && text[len("fb_")+idLength] == '_' &&
		strings.Trim(text, characters) == ""
}

func idOf(key string) string { return key[len("fb_"):][:idLength] }

// Keys is the keys in PostgreSQL. Those in use are looked up every few seconds, and are remembered while PostgreSQL is away.
type Keys struct {
	store *db.DB
	mu    sync.Mutex
	known map[string]*knownKey
}

type knownKey struct {
	mu     sync.Mutex // held while the key is looked up
	row    db.UseAccessKeyRow
	found  bool
	err    error     // of the last look-up, where no older answer can be used
	looked time.Time // when it was looked up last, with or without success
	read   time.Time // when PostgreSQL answered last; zero: never
}

// NewKeys returns the keys of a database. The connections are best those of nothing else, so that a busy service lets its callers in.
func NewKeys(store *db.DB) *Keys { return &Keys{store: store, known: map[string]*knownKey{}} }

func (k *Keys) caller(ctx context.Context, key string) (*Caller, error) {
	row, err := k.lookUp(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case row == nil || subtle.ConstantTimeCompare([]byte(row.SecretHash), []byte(hashOf(key))) != 1:
		return nil, unauthorized("the credential is not valid")
	case row.Revoked:
		return nil, unauthorized("the key " + idOf(key) + " is revoked")
	case row.ExpiresAt != nil && !row.ExpiresAt.After(time.Now()):
		return nil, unauthorized("the key " + idOf(key) + " has expired")
	}
	return &Caller{ID: "key " + idOf(key), Scope: spec.Scope(row.Scope)}, nil
}

// lookUp returns the key's row, nil if there is none.
func (k *Keys) lookUp(ctx context.Context, key string) (*db.UseAccessKeyRow, error) {
	known := k.remembered(idOf(key))
	known.mu.Lock()
	defer known.mu.Unlock()
	if time.Since(known.looked) >= keyFresh {
		known.looked = time.Now()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyPatience)
		defer cancel()
		row, err := k.read(ctx, key)
		switch {
		case err == nil || errors.Is(err, pgx.ErrNoRows):
			known.row, known.found, known.err, known.read = row, err == nil, nil, time.Now()
		case time.Since(known.read) > keyKept:
			known.found, known.err = false, fmt.Errorf("look up the key %s: %w: %w", idOf(key), errAway, err)
		}
	}
	if !known.found {
		k.forget(idOf(key), known) // those who wait for the same look-up get its result, and the next one looks anew
		return nil, known.err
	}
	row := known.row
	return &row, nil
}

// read asks PostgreSQL, once more if the connection turns out to have been lost.
func (k *Keys) read(ctx context.Context, key string) (row db.UseAccessKeyRow, err error) {
	for range 2 {
		row, err = k.store.UseAccessKey(ctx, db.UseAccessKeyParams{KeyID: idOf(key), SecretHash: hashOf(key)})
		if err == nil || errors.Is(err, pgx.ErrNoRows) || ctx.Err() != nil {
			break
		}
	}
	return row, err
}

func (k *Keys) remembered(id string) *knownKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.known[id]
	if !ok {
		if len(k.known) >= maxKeys {
			clear(k.known)
		}
		known = &knownKey{}
		k.known[id] = known
	}
	return known
}

func (k *Keys) forget(id string, known *knownKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known[id] == known {
		delete(k.known, id)
	}
}
