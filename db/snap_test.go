package db_test
import ("testing";"context";"time";"foldbook/db";"foldbook/db/dbtest";"github.com/google/uuid")
func TestMain(m *testing.M){ dbtest.Main(m) }
func TestSnap(t *testing.T){
	d, err := db.Open(db.Config{URL: dbtest.NewURL(t), PoolSize: 4, StatementTimeout: time.Second, AcquireTimeout: time.Second, ConnectTimeout: time.Second})
	if err!=nil {t.Fatal(err)}
	ctx := context.Background()
	for i:=0;i<3;i++ {
	snap := d.Snapshot()
	id := uuid.New()
	run, folds := snap.GetRun(ctx, []uuid.UUID{id}), snap.ListFolds(ctx, []uuid.UUID{id})
	snap.Send(ctx)
	r, err := db.First(run.QueryRow)
	_ = r
	println("run", err.Error())
	if i>0 {
	_, err = db.First(folds.Query)
	println("folds", err==nil)
	}
	snap.Close()
	println("after", d.Pool.Stat().AcquiredConns(), d.Pool.Stat().TotalConns())
	}
}
