// Package sqlread tells statements of QuestDB's SQL that only read from all others, before QuestDB sees them.
package sqlread

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	errNotReading   = errors.New("only SELECT, WITH … SELECT, SHOW and EXPLAIN are run")
	errTwo          = errors.New("one statement is run at a time")
	errEndless      = errors.New("long_sequence and generate_series are not run: QuestDB does not stop them when nobody waits any more")
	errServer       = errors.New("functions that look at the files of QuestDB's server, or act on it, are not run")
	errNothing      = errors.New("is empty")
	errOpenText     = errors.New("a quote is not closed")
	errOpenComment  = errors.New("a comment is not closed")
	errViews        = errors.New("what names users, settings or the statements of others is not shown")
	errLong         = fmt.Errorf("is longer than %d characters", maxLength)
	errNested       = fmt.Errorf("has more than %d SELECTs within one another, or more than %d brackets", maxNested, maxBrackets)
	errJoins        = fmt.Errorf("has more than %d SELECTs, or reads more than %d tables together", maxSelects, maxJoins)
	errRecursive    = errors.New("WITH RECURSIVE is not run")
	errOpenBrackets = errors.New("a bracket is not closed, or not opened")
)

// Check makes sure that a text is one statement that reads, and returns it as QuestDB is to see it: comments are blanks, and
// a semicolon at the end is gone, so that it is made of just what was checked. Positions in it are those of the text.
func Check(text string) (string, error) {
	if len(text) > maxLength {
		return "", errLong
	}
	plain, words, err := tokens([]rune(text))
	if err != nil {
		return "", err
	}
	if len(words) > 0 && words[len(words)-1].text == ";" {
		words = words[:len(words)-1]
	}
	switch {
	case len(words) == 0:
		return "", errNothing
	case slices.ContainsFunc(words, func(t token) bool { return t.text == ";" }):
		return "", errTwo
	case views(words):
		return "", errViews
	case slices.ContainsFunc(words, func(t token) bool { return t.text == "RECURSIVE" }):
		return "", errRecursive
	case calls(words, endless):
		return "", errEndless
	case calls(words, serverFunctions):
		return "", errServer
	case words[0].text == "SHOW":
	case words[0].text == "EXPLAIN" && reads(words[1:]), reads(words):
	default:
		return "", errNotReading
	}
	if err := bounded(words); err != nil {
		return "", err
	}
	return string(plain[:words[len(words)-1].end]), nil
}

// endless are the functions that make rows out of nothing. A query of them alone looks at its connection too seldom, so that its
// time limit would not end it, and it holds one of QuestDB's few workers.
var endless = []string{"LONG_SEQUENCE", "GENERATE_SERIES"}

// serverFunctions are those that QuestDB lets its read-only user call although what they read is not in a table, as the names of
// all files of the machine, or although they do not read at all.
var serverFunctions = []string{
	"FILES", "GLOB", "IMPORT_FILES", "EXPORT_FILES", "READ_PARQUET", "PARQUET_SCAN",
	"RELOAD_CONFIG", "RELOAD_TLS", "FLUSH_QUERY_CACHE", "HYDRATE_TABLE_METADATA", "WAIT_WAL_TABLE", "CANCEL_QUERY",
	"DUMP_MEMORY_USAGE", "DUMP_THREAD_STACKS", "SIMULATE_CRASH",
}

// systemViews are what QuestDB shows its read-only user although it is no data. Its tables of statements begin with _query.
var systemViews = []string{
	"QUERY_ACTIVITY", "PG_STAT_ACTIVITY", "PG_SHADOW", "PG_USER", "PG_ROLES", "PG_AUTHID", "PG_AUTH_MEMBERS", "PG_SETTINGS", "CURRENT_SETTING",
	"_QUERY_TRACE", "PREFERENCES", "PARAMETERS", "USERS", "USER", "GROUPS", "PERMISSIONS", "ACCOUNTS", "ACCOUNT", "ROLES",
}

// showOnly is the first of them that only SHOW makes a view; anywhere else they are columns and tables of people.
const showOnly = "PREFERENCES"

// views finds a system view. A quoted text may be the name of one.
func views(words []token) bool {
	shows := words[0].text == "SHOW"
	for _, t := range words {
		i := slices.Index(systemViews, strings.ToUpper(strings.Trim(t.text, `'"`)))
		if i >= 0 && (shows || i < slices.Index(systemViews, showOnly)) {
			return true
		}
	}
	return false
}

// The bounds of a statement. One of 14 SELECTs within one another has filled QuestDB's heap, after which nobody was answered
// for a minute; a join of many tables does the same.
const (
	maxLength   = 16 << 10
	maxBrackets = 24
	maxNested   = 5
	maxSelects  = 16
	maxJoins    = 6
)

// bounded refuses a statement that could take more of QuestDB than one caller may.
func bounded(words []token) error {
	selects, joins := 0, 0
	nested := map[int]bool{} // depths with a SELECT
	from := map[int]bool{}   // depths within the list behind FROM, where a comma joins
	for _, t := range words {
		switch t.text {
		case "SELECT":
			selects++
			for depth := range nested {
				if depth > t.depth {
					delete(nested, depth)
				}
			}
			nested[t.depth], from[t.depth] = true, false
		case "FROM":
			from[t.depth] = true
		case "JOIN":
			joins++
		case ",":
			if from[t.depth] {
				joins++
			}
		case "WHERE", "ORDER", "GROUP", "SAMPLE", "LATEST", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "WINDOW":
			from[t.depth] = false
		case ")":
			from[t.depth+1] = false
		}
		if t.depth > maxBrackets || len(nested) > maxNested {
			return errNested
		}
		if selects > maxSelects || joins > maxJoins {
			return errJoins
		}
	}
	return nil
}

// calls finds a call of one of the functions.
func calls(words []token, functions []string) bool {
	for i, t := range words {
		name := strings.ToUpper(strings.Trim(t.text, `'"`))
		if slices.Contains(functions, name) && i+1 < len(words) && words[i+1].text == "(" {
			return true
		}
	}
	return false
}

// reads tells a SELECT, or a WITH that is followed by one, from everything else.
func reads(words []token) bool {
	for i, t := range words {
		switch {
		case i == 0 && t.text == "SELECT":
			return true
		case i == 0 && t.text != "WITH":
			return false
		case t.depth > 0 || i == 0 || t.text == ")" || t.text == "(" || t.text == ",":
		case t.text == "SELECT":
			return words[i-1].text == ")"
		case words[i-1].text == ")": // behind the last of what WITH defines
			return false
		}
	}
	return false
}

// token is a word, a quoted text, or another character of a statement.
type token struct {
	text  string // words in capitals
	depth int    // brackets around it
	end   int    // where it ends, in characters
}

// tokens splits a statement, and returns it with blanks for comments too.
func tokens(text []rune) (plain []rune, words []token, err error) {
	plain = slices.Clone(text)
	depth := 0
	for i := 0; i < len(text); {
		next := i + 1
		switch c := text[i]; {
		case c == '\'' || c == '"':
			for next < len(text) && text[next] != c {
				next++
			}
			if next == len(text) {
				return nil, nil, errOpenText
			}
			next++ // a doubled quote is a text right behind another, which makes no difference here
			words = append(words, token{string(text[i:next]), depth, next})
		case begins(text[i:], "--"):
			for next < len(text) && text[next] != '\n' && text[next] != '\r' {
				next++
			}
			blank(plain[i:next])
		case begins(text[i:], "/*"):
			if next = commentEnd(text, i); next < 0 {
				return nil, nil, errOpenComment
			}
			blank(plain[i:next])
		case isWord(c):
			for next < len(text) && isWord(text[next]) {
				next++
			}
			words = append(words, token{strings.ToUpper(string(text[i:next])), depth, next})
		case c == '(':
			words = append(words, token{"(", depth, next})
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return nil, nil, errOpenBrackets
			}
			words = append(words, token{")", depth, next})
		case !strings.ContainsRune(" \t\r\n", c):
			words = append(words, token{string(c), depth, next})
		}
		i = next
	}
	if depth > 0 {
		return nil, nil, errOpenBrackets
	}
	return plain, words, nil
}

// commentEnd is where the comment that begins at i ends, below 0 when it does not. Comments nest, as QuestDB has it.
func commentEnd(text []rune, i int) int {
	for depth := 0; i < len(text); {
		switch {
		case begins(text[i:], "/*"):
			depth++
			i += 2
		case begins(text[i:], "*/"):
			depth--
			if i += 2; depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return -1
}

func begins(text []rune, mark string) bool {
	return len(text) > 1 && text[0] == rune(mark[0]) && text[1] == rune(mark[1])
}

func blank(text []rune) {
	for i, c := range text {
		if c != '\n' && c != '\r' {
			text[i] = ' '
		}
	}
}

// isWord counts all letters that are not ASCII as parts of words: names may have them, keywords do not.
func isWord(c rune) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
