package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
)

var setting = regexp.MustCompile(`^(#?)([A-Z][A-Z0-9_]*)=(.*)$`)

// settingsTable makes the table of settings: in .env.example a setting is NAME=default, or #NAME=example
// when it is unset by default, below the comment that describes it.
func settingsTable() error {
	text, err := os.ReadFile(".env.example")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("| setting | default | meaning |\n|---|---|---|\n")
	var comment []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		m := setting.FindStringSubmatch(line)
		switch {
		case m != nil:
			value := ""
			if m[1] == "" && m[3] != "" {
				value = "`" + m[3] + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m[2], value, strings.ReplaceAll(strings.Join(comment, " "), "|", "\\|"))
			comment = nil
		case strings.HasPrefix(line, "# ---"), line == "":
			comment = nil
		default:
			comment = append(comment, strings.TrimSpace(strings.TrimPrefix(line, "#")))
		}
	}
	return replaceBlock("docs/settings.md", "<!-- BEGIN settings", "<!-- END settings", b.Bytes())
}
