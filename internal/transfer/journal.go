package transfer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// journal remembers which files a server has stored, so that an import that was interrupted goes on where it was. It is
// a file of JSON lines that only grows; of a path and a server the last line counts.
type journal struct {
	path string
	last map[entry]entry // by path and server alone
	file *os.File        // nil until something is written
}

type entry struct {
	Server string `json:"server"`
	Path   string `json:"path"` // from the journal's directory, so that both can be moved
	Size   int64  `json:"size,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

func openJournal(path string) (*journal, error) {
	j := &journal{path: path, last: map[entry]entry{}}
	file, err := os.Open(path) //nolint:gosec // the user names it
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	} else if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil { // a line that was cut off tells of nothing
			j.last[entry{Server: e.Server, Path: e.Path}] = e
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	return j, nil
}

func (j *journal) entry(server string, d *Document) entry {
	return entry{server, j.relative(d.path), d.Size, d.SHA256}
}

func (j *journal) relative(path string) string {
	whole, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	dir, err := filepath.Abs(filepath.Dir(j.path))
	if err != nil {
		return whole
	}
	rel, err := filepath.Rel(dir, whole)
	if err != nil {
		return whole
	}
	return filepath.ToSlash(rel)
}

// has tells whether the server stored the file as it is now.
func (j *journal) has(e entry) bool { return j.last[entry{Server: e.Server, Path: e.Path}] == e }

// add notes that the server has stored the file.
func (j *journal) add(e entry) error {
	if j.has(e) {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	if j.file == nil {
		j.file, err = os.OpenFile(j.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644) //nolint:gosec // it holds names and hashes
		if err != nil {
			return fmt.Errorf("open the journal: %w", err)
		}
		line = append([]byte{'\n'}, line...) // ends what an interruption may have cut off
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	j.last[entry{Server: e.Server, Path: e.Path}] = e
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
