package api

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"foldbook/internal/httpbody"
)

// Bounds of what people write about a record, in characters.
const (
	mostName  = 200
	mostTags  = 50
	mostNotes = 20_000
)

// identity is what people call a record. What a body does not have of it stays as it is stored; an empty text, 0, [] or {} removes it.
type identity struct {
	Name           *string      `json:"name"`
	Tags           *[]string    `json:"tags"`
	Notes          *string      `json:"notes"`
	InitialCapital *float64     `json:"initial_capital"`
	CostModel      httpbody.Raw `json:"cost_model"`
}

// lineage is what a run has besides: where it comes from and what it is a trial of.
type lineage struct {
	ParentRunID       *string `json:"parent_run_id"`
	SearchID          *string `json:"search_id"`
	GitCommit         *string `json:"git_commit"`
	TargetHorizonBars *int64  `json:"target_horizon_bars"`
}

func (b identity) given() bool {
	return b.Name != nil || b.Tags != nil || b.Notes != nil || b.InitialCapital != nil || b.CostModel != nil
}

func (b lineage) given() bool { return b != lineage{} }

// readTags checks the name and the notes, and the tags, of which each is kept once.
func (b identity) readTags(f *httpbody.Fields) (tags []byte) {
	atMost(f, "name", b.Name, mostName)
	atMost(f, "notes", b.Notes, mostNotes)
	if b.InitialCapital != nil && *b.InitialCapital < 0 {
		f.Fail("initial_capital", "must not be below 0")
	}
	f.Object("cost_model", b.CostModel)
	if b.Tags == nil {
		return nil
	}
	kept := []string{}
	for i, tag := range *b.Tags {
		at := fmt.Sprintf("tags[%d]", i)
		if tag = strings.TrimSpace(tag); tag == "" || strings.Contains(tag, ",") {
			f.Fail(at, "must be a text that is not empty and has no comma")
		}
		atMost(f, at, &tag, mostName)
		if !slices.Contains(kept, tag) {
			kept = append(kept, tag)
		}
	}
	if len(kept) > mostTags {
		f.Fail("tags", fmt.Sprintf("has more than %d", mostTags))
	}
	tags, err := jsonv2.Marshal(kept)
	if err != nil {
		f.Fail("tags", err.Error())
	}
	return tags
}

// readParent checks the lineage. It returns the parent: the nil UUID for an empty text.
func (b lineage) readParent(f *httpbody.Fields) (parent *uuid.UUID) {
	atMost(f, "search_id", b.SearchID, mostName)
	atMost(f, "git_commit", b.GitCommit, mostName)
	f.Count("target_horizon_bars", b.TargetHorizonBars)
	if b.ParentRunID != nil {
		parent = new(f.ID("parent_run_id", b.ParentRunID))
	}
	return parent
}

func atMost(f *httpbody.Fields, name string, text *string, most int) {
	if text != nil && utf8.RuneCountInString(*text) > most {
		f.Fail(name, fmt.Sprintf("is longer than %d characters", most))
	}
}
