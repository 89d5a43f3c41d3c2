package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// runSQLC lets sqlc write into the staging folder, in which it finds its inputs.
func runSQLC(binary string) error {
	for _, path := range inputs {
		source, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if err := os.Symlink(source, filepath.Join(staging, path)); err != nil {
			return err
		}
	}
	text, err := runTool(staging, binary, "generate")
	if err == nil {
		return nil
	}
	return sqlcProblems(text, err)
}

var located = regexp.MustCompile(`^([^:\s]+\.sql):(\d+):(\d+): (.*)$`)

// sqlcProblems are the lines that sqlc prints, each once and without its headings.
func sqlcProblems(text string, failure error) error {
	var problems []error
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "# package") || seen[line] {
			continue
		}
		seen[line] = true
		if m := located.FindStringSubmatch(line); m != nil {
			problems = append(problems, afterComments(m[1], m[2], m[3], m[4]))
		} else {
			problems = append(problems, configProblem(line))
		}
	}
	if len(problems) == 0 {
		return failure
	}
	return errors.Join(problems...)
}

// afterComments moves a place to the next line that is not a comment: sqlc counts the comments above a statement as part of it.
func afterComments(file, line, column, what string) error {
	number, _ := strconv.Atoi(line)
	col, _ := strconv.Atoi(column)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for i := max(number-1, 0); i < len(lines); i++ {
		trimmed := strings.TrimSpace(lines[i])
		if trimmed == "" || strings.HasPrefix(trimmed, "--") && !strings.HasPrefix(trimmed, "-- name:") {
			continue
		}
		if i > number-1 {
			number, col = i+1, 1+strings.Index(lines[i], trimmed)
		}
		break
	}
	return problem{file, number, col, what}
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)$`)

// configProblem places what sqlc says about sqlc.yaml.
func configProblem(line string) error {
	if m := yamlLine.FindStringSubmatch(line); m != nil {
		number, _ := strconv.Atoi(m[1])
		return problem{"sqlc.yaml", number, 1, m[2]}
	}
	return problem{"sqlc.yaml", 1, 1, line}
}

// The routes have nothing to do with scopes, which are checked before, nor with the types of bodies, which the handlers read
// strictly, nor with what is inside of the rows, whose types are sqlc's.
var (
	notOfRoutes = regexp.MustCompile(`(?m)^      security: .*\n|^      requestBody:.*\n(?: {7,}.*\n)*`)
	insideOfRow = regexp.MustCompile(`(?m)^(    \w+:)\n(?: {6,}.*\n)*`)
)

// runOAPICodegen makes the routes and types of the description that was staged.
func runOAPICodegen(binary string) error {
	config, err := filepath.Abs(specDir + "/oapi-codegen.yaml")
	if err != nil {
		return err
	}
	described, err := os.ReadFile(filepath.Join(staging, specFile))
	if err != nil {
		return err
	}
	before, block, _ := strings.Cut(string(described), rowsBegin)
	block, after, _ := strings.Cut(block, rowsEnd)
	block = rowsBegin + insideOfRow.ReplaceAllString(block, "$1 {type: object}\n") + rowsEnd
	const routes = ".dev/routes.yaml"
	text := notOfRoutes.ReplaceAllString(before, "") + block + after
	if err := os.WriteFile(filepath.Join(staging, routes), []byte(text), 0o600); err != nil {
		return err
	}
	said, err := runTool(staging, binary, "-config", config, routes)
	if err != nil {
		return problem{specFile, 1, 1, strings.Join(strings.Fields(said), " ")}
	}
	return nil
}

// runTool runs a program in a folder and returns what it prints.
func runTool(dir, binary string, args ...string) (string, error) {
	path, err := exec.LookPath(binary)
	if err != nil {
		return "", fmt.Errorf("%w: make generate installs it", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), path, args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err != nil {
		return string(text), fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return string(text), nil
}

var found = regexp.MustCompile(`^(\S+\.sql): (\w+): (.*)$`)

// vetQueries runs sqlc vet, whose findings name a query, and gives each the place of that.
func vetQueries(tools tools) error {
	text, err := runTool(".", tools.sqlc, "vet")
	if err == nil {
		return nil
	}
	var problems []error
	for line := range strings.Lines(text) {
		m := found.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			problems = append(problems, errors.New(strings.TrimSpace(line)))
			continue
		}
		what := strings.TrimPrefix(m[3], "sqlc/db-prepare: error preparing query: ERROR: ")
		problems = append(problems, locateQuery(m[1], m[2], m[2]+": "+what))
	}
	if len(problems) == 0 {
		return err
	}
	return errors.Join(problems...)
}
