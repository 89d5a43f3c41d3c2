package series

import "testing"

func TestPosition(t *testing.T) {
	t.Parallel()
	p := Position{5, 3}
	if got := p.behind(5).behind(5); got != (Position{5, 5}) {
		t.Errorf("behind two more rows of the same time: %v", got)
	}
	if got := p.behind(5).behind(6).behind(6); got != (Position{6, 2}) {
		t.Errorf("behind rows of another time: %v", got)
	}
}
