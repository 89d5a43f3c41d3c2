// Package console is the page that people look at. src/ is its source and dist/ what `make console` makes of it; it calls the public API
// and nothing else.
package console

import "embed"

// Files has the page index.html and what it loads.
//
//go:embed dist
var Files embed.FS
